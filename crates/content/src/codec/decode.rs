//! From bytes to content.

use minicbor::data::Type;

use super::any::{read_extension_value, read_integer_key};
use super::read::Reader;
use super::{CONTENT_FIELDS, EXPIRATION_FIELDS, cardinality, part_fields};
use crate::limits::{
    CONTENT_LEN_MAX, EXTENSIONS_MAX, FIELD_LEN_MAX, MULTIPART_LEN_MIN, PART_DEPTH_MAX, PARTS_MAX,
    TOPIC_ID_LEN_MAX,
};
use crate::message_id::HASH_ALGORITHM_SHA256;
use crate::{
    Disposition, Error, Expiration, ExtensionKey, Extensions, ExternalPart, MessageId, MimiContent,
    NestedPart, PartSemantics, TopicId,
};

pub(crate) fn decode(bytes: &[u8]) -> Result<MimiContent, Error> {
    if bytes.len() > CONTENT_LEN_MAX {
        return Err(Error::ContentTooLong);
    }
    let mut reader = Reader::new(bytes);
    reader.array_of(CONTENT_FIELDS)?;
    // Fields are evaluated in the order in which they stand here, which is the order on the wire.
    let content = MimiContent {
        salt: reader.byte_array()?,
        replaces: reader.nullable(read_message_id)?,
        topic_id: TopicId::from_bytes(reader.bytes(TOPIC_ID_LEN_MAX)?.to_vec())?,
        expires: reader.nullable(read_expiration)?,
        in_reply_to: reader.nullable(read_message_id)?,
        extensions: read_extensions(&mut reader)?,
        body: Parts { left: PARTS_MAX }.read(&mut reader, 1)?,
    };
    reader.finish()?;
    Ok(content)
}

fn read_message_id(reader: &mut Reader<'_>) -> Result<MessageId, Error> {
    let id: [u8; 32] = reader.byte_array()?;
    if id.first() != Some(&HASH_ALGORITHM_SHA256) {
        return Err(Error::UnknownHashAlgorithm);
    }
    Ok(MessageId::from_bytes(id))
}

fn read_expiration(reader: &mut Reader<'_>) -> Result<Expiration, Error> {
    reader.array_of(EXPIRATION_FIELDS)?;
    if reader.bool()? {
        return Ok(Expiration::Relative {
            seconds: reader.u32()?,
        });
    }
    Ok(Expiration::Absolute {
        unix_seconds: reader.u32()?,
    })
}

fn read_extensions(reader: &mut Reader<'_>) -> Result<Extensions, Error> {
    let len = reader.map()?;
    if len > EXTENSIONS_MAX as u64 {
        return Err(Error::TooManyExtensions);
    }
    let mut extensions = Extensions::new();
    let mut previous = None;
    for _ in 0..len {
        let key = read_extension_key(reader)?;
        if previous.as_ref() >= Some(&key) {
            return Err(Error::NotDeterministic);
        }
        let start = reader.position();
        read_extension_value(reader)?;
        extensions.insert(key.clone(), reader.since(start).to_vec())?;
        previous = Some(key);
    }
    Ok(extensions)
}

fn read_extension_key(reader: &mut Reader<'_>) -> Result<ExtensionKey, Error> {
    if matches!(reader.peek()?, Type::String | Type::StringIndef) {
        return ExtensionKey::text(reader.text(usize::MAX)?);
    }
    ExtensionKey::integer(read_integer_key(reader)?)
}

/// Reads parts and counts them.
struct Parts {
    left: usize,
}

impl Parts {
    /// Reads a part at this level; the body is at level 1. The recursion ends at
    /// [`PART_DEPTH_MAX`].
    fn read(&mut self, reader: &mut Reader<'_>, level: usize) -> Result<NestedPart, Error> {
        if level > PART_DEPTH_MAX {
            return Err(Error::PartsTooDeep);
        }
        self.left = self.left.checked_sub(1).ok_or(Error::TooManyParts)?;
        let fields = reader.array()?;
        let disposition = Disposition::from_value(reader.u8()?);
        let language = reader.text(FIELD_LEN_MAX)?;
        let cardinality = reader.unsigned(u64::MAX)?;
        if fields != fields_of(cardinality)? {
            return Err(Error::Malformed);
        }
        let part = match cardinality {
            cardinality::NULL => NestedPart::null(disposition),
            cardinality::SINGLE => read_single(reader, disposition)?,
            cardinality::EXTERNAL => NestedPart::external(disposition, read_external(reader)?)?,
            cardinality::MULTI => self.read_multi(reader, disposition, level)?,
            _ => return Err(Error::UnknownCardinality),
        };
        part.with_language(language)
    }

    fn read_multi(
        &mut self,
        reader: &mut Reader<'_>,
        disposition: Disposition,
        level: usize,
    ) -> Result<NestedPart, Error> {
        let semantics = u8::try_from(reader.unsigned(u64::MAX)?).ok();
        let semantics = semantics.and_then(PartSemantics::from_value);
        let semantics = semantics.ok_or(Error::UnknownPartSemantics)?;
        let len = reader.array()?;
        if len < MULTIPART_LEN_MIN as u64 {
            return Err(Error::TooFewParts);
        }
        if len > self.left as u64 {
            return Err(Error::TooManyParts);
        }
        let below = level.saturating_add(1);
        let parts: Result<Vec<_>, _> = (0..len).map(|_| self.read(reader, below)).collect();
        NestedPart::multi(disposition, semantics, parts?)
    }
}

fn fields_of(cardinality: u64) -> Result<u64, Error> {
    match cardinality {
        cardinality::NULL => Ok(part_fields::NULL),
        cardinality::SINGLE => Ok(part_fields::SINGLE),
        cardinality::EXTERNAL => Ok(part_fields::EXTERNAL),
        cardinality::MULTI => Ok(part_fields::MULTI),
        _ => Err(Error::UnknownCardinality),
    }
}

fn read_single(reader: &mut Reader<'_>, disposition: Disposition) -> Result<NestedPart, Error> {
    let content_type = reader.text(FIELD_LEN_MAX)?;
    let content = reader.bytes(CONTENT_LEN_MAX)?.to_vec();
    NestedPart::single(disposition, content_type, content)
}

/// Fields are evaluated in the order in which they stand here, which is the order on the wire.
fn read_external(reader: &mut Reader<'_>) -> Result<ExternalPart, Error> {
    Ok(ExternalPart {
        content_type: reader.text(FIELD_LEN_MAX)?.to_owned(),
        url: reader.text(FIELD_LEN_MAX)?.to_owned(),
        expires: reader.u32()?,
        size: reader.unsigned(u64::MAX)?,
        encryption_algorithm: reader.u16()?,
        key: reader.bytes(FIELD_LEN_MAX)?.to_vec(),
        nonce: reader.bytes(FIELD_LEN_MAX)?.to_vec(),
        associated_data: reader.bytes(FIELD_LEN_MAX)?.to_vec(),
        hash_algorithm: reader.u8()?,
        content_hash: reader.bytes(FIELD_LEN_MAX)?.to_vec(),
        description: reader.text(FIELD_LEN_MAX)?.to_owned(),
        filename: reader.text(FIELD_LEN_MAX)?.to_owned(),
    })
}
