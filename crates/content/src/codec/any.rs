//! Checks the value of an extension, which may be any CBOR within the draft's restrictions (draft
//! §6.2 and §6.3).

use minicbor::data::Type;

use super::float;
use super::read::Reader;
use crate::Error;
use crate::limits::{EXTENSION_DEPTH_MAX, INTEGER_KEY_MAX};

/// The level of what stands directly in the extensions map, which itself is level 1.
const VALUE_LEVEL: usize = 2;

/// Tags of big integers (RFC 8949 §3.4.3).
const BIG_INTEGER_TAGS: [u64; 2] = [2, 3];
/// Big integers of up to this many bytes fit plain ones.
const INTEGER_LEN: usize = 8;

/// Fails unless `value` is exactly one item, deterministically encoded and within the draft's
/// restrictions.
pub(crate) fn check_extension_value(value: &[u8]) -> Result<(), Error> {
    let mut reader = Reader::new(value);
    read_extension_value(&mut reader)?;
    reader.finish()
}

/// Reads over the value of an extension and checks it.
pub(super) fn read_extension_value(reader: &mut Reader<'_>) -> Result<(), Error> {
    read_item(reader, VALUE_LEVEL)
}

/// The text, if `value` is one.
pub(crate) fn text_item(value: &[u8]) -> Option<&str> {
    Reader::new(value).text(usize::MAX).ok()
}

/// Reads over one item. The recursion ends at [`EXTENSION_DEPTH_MAX`].
fn read_item(reader: &mut Reader<'_>, level: usize) -> Result<(), Error> {
    match reader.peek()? {
        Type::U8
        | Type::U16
        | Type::U32
        | Type::U64
        | Type::I8
        | Type::I16
        | Type::I32
        | Type::I64
        | Type::Int => reader.integer().map(drop),
        Type::Bytes | Type::BytesIndef => reader.bytes(usize::MAX).map(drop),
        Type::String | Type::StringIndef => reader.text(usize::MAX).map(drop),
        Type::Array | Type::ArrayIndef => read_array(reader, level),
        Type::Map | Type::MapIndef => read_map(reader, level),
        Type::Tag => read_tag(reader, level),
        Type::Bool => reader.bool().map(drop),
        Type::Null => reader.null(),
        Type::Undefined => reader.undefined(),
        Type::Simple => read_simple(reader),
        Type::F16 => float::check_half(u16::from_be_bytes(reader.float()?)),
        Type::F32 => float::check_single(u32::from_be_bytes(reader.float()?)),
        Type::F64 => float::check_double(u64::from_be_bytes(reader.float()?)),
        Type::Break | Type::Unknown(_) => Err(Error::Malformed),
    }
}

fn read_array(reader: &mut Reader<'_>, level: usize) -> Result<(), Error> {
    let below = level_below(level)?;
    // A false length ends with the input: each item takes at least a byte.
    (0..reader.array()?).try_for_each(|_| read_item(reader, below))
}

fn read_map(reader: &mut Reader<'_>, level: usize) -> Result<(), Error> {
    let below = level_below(level)?;
    let mut previous: &[u8] = &[];
    for _ in 0..reader.map()? {
        let start = reader.position();
        read_key(reader)?;
        let key = reader.since(start);
        if key <= previous {
            return Err(Error::NotDeterministic);
        }
        previous = key;
        read_item(reader, below)?;
    }
    Ok(())
}

/// Keys within an extension are integers, texts or byte strings (draft §6.2).
fn read_key(reader: &mut Reader<'_>) -> Result<(), Error> {
    match reader.peek()? {
        Type::U8
        | Type::U16
        | Type::U32
        | Type::U64
        | Type::I8
        | Type::I16
        | Type::I32
        | Type::I64
        | Type::Int => read_integer_key(reader).map(drop),
        Type::Bytes | Type::BytesIndef => reader.bytes(usize::MAX).map(drop),
        Type::String | Type::StringIndef => reader.text(usize::MAX).map(drop),
        Type::Array
        | Type::ArrayIndef
        | Type::Map
        | Type::MapIndef
        | Type::Tag
        | Type::Bool
        | Type::Null
        | Type::Undefined
        | Type::Simple
        | Type::F16
        | Type::F32
        | Type::F64 => Err(Error::InvalidExtension),
        Type::Break | Type::Unknown(_) => Err(Error::Malformed),
    }
}

/// Integer keys are within ±(2^53 - 1) (draft §6.2).
pub(super) fn read_integer_key(reader: &mut Reader<'_>) -> Result<i64, Error> {
    let value = reader.integer()?;
    if value.unsigned_abs() > u128::from(INTEGER_KEY_MAX) {
        return Err(Error::InvalidExtension);
    }
    i64::try_from(value).map_err(|_| Error::InvalidExtension)
}

fn read_tag(reader: &mut Reader<'_>, level: usize) -> Result<(), Error> {
    let below = level_below(level)?;
    if !BIG_INTEGER_TAGS.contains(&reader.tag()?) {
        return read_item(reader, below);
    }
    // Draft §6.1: as a plain integer when it fits, and without leading zeros when it does not.
    let magnitude = reader.bytes(usize::MAX)?;
    if magnitude.len() <= INTEGER_LEN || magnitude.first() == Some(&0) {
        return Err(Error::NotDeterministic);
    }
    Ok(())
}

/// Simple values 20 to 31 are either not simple or not assigned (RFC 8949 §3.3); minicbor reads
/// them in their two-byte form.
fn read_simple(reader: &mut Reader<'_>) -> Result<(), Error> {
    if (20..32).contains(&reader.simple()?) {
        return Err(Error::Malformed);
    }
    Ok(())
}

fn level_below(level: usize) -> Result<usize, Error> {
    if level > EXTENSION_DEPTH_MAX {
        return Err(Error::ExtensionTooDeep);
    }
    Ok(level.saturating_add(1))
}
