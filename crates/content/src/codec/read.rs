//! Reads CBOR items, accepting the shortest form only.

use minicbor::Decoder;
use minicbor::data::Type;
use minicbor::decode;

use crate::Error;

/// A cursor over encoded items. Nothing it does allocates, and no length that it reads is believed
/// before that many bytes are there.
pub(crate) struct Reader<'b> {
    decoder: Decoder<'b>,
}

impl<'b> Reader<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self {
            decoder: Decoder::new(bytes),
        }
    }

    /// Fails unless everything has been read.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        if self.decoder.position() != self.decoder.input().len() {
            return Err(Error::TrailingBytes);
        }
        Ok(())
    }

    /// How many bytes have been read.
    pub(crate) fn position(&self) -> usize {
        self.decoder.position()
    }

    /// What has been read since `start`.
    pub(crate) fn since(&self, start: usize) -> &'b [u8] {
        let read = self.decoder.input().get(start..self.decoder.position());
        read.unwrap_or_default()
    }

    /// The kind of the next item.
    pub(crate) fn peek(&self) -> Result<Type, Error> {
        self.decoder
            .datatype()
            .map_err(|error| from_decoder(&error))
    }

    /// A number of at most `max`.
    pub(crate) fn unsigned(&mut self, max: u64) -> Result<u64, Error> {
        let start = self.position();
        let value = self.item(Decoder::u64)?;
        self.check_head(start, value, 0)?;
        if value > max {
            return Err(Error::ValueOutOfRange);
        }
        Ok(value)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Error> {
        let value = self.unsigned(u8::MAX.into())?;
        u8::try_from(value).map_err(|_| Error::ValueOutOfRange)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Error> {
        let value = self.unsigned(u16::MAX.into())?;
        u16::try_from(value).map_err(|_| Error::ValueOutOfRange)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        let value = self.unsigned(u32::MAX.into())?;
        u32::try_from(value).map_err(|_| Error::ValueOutOfRange)
    }

    /// A number of either sign, the full range of CBOR.
    pub(crate) fn integer(&mut self) -> Result<i128, Error> {
        let start = self.position();
        let value = i128::from(self.item(Decoder::int)?);
        let magnitude = if value < 0 { !value } else { value };
        let magnitude = u64::try_from(magnitude).map_err(|_| Error::ValueOutOfRange)?;
        self.check_head(start, magnitude, 0)?;
        Ok(value)
    }

    /// A byte string of at most `len_max` bytes.
    pub(crate) fn bytes(&mut self, len_max: usize) -> Result<&'b [u8], Error> {
        let start = self.position();
        self.refuse_indefinite()?;
        let bytes = self.item(Decoder::bytes)?;
        self.check_head(start, bytes.len() as u64, bytes.len())?;
        if bytes.len() > len_max {
            return Err(Error::FieldTooLong);
        }
        Ok(bytes)
    }

    /// A byte string of exactly `N` bytes.
    pub(crate) fn byte_array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let bytes = self.bytes(usize::MAX)?;
        bytes.try_into().map_err(|_| Error::Malformed)
    }

    /// A text of at most `len_max` bytes of UTF-8.
    pub(crate) fn text(&mut self, len_max: usize) -> Result<&'b str, Error> {
        let start = self.position();
        self.refuse_indefinite()?;
        let text = self.item(Decoder::str)?;
        self.check_head(start, text.len() as u64, text.len())?;
        if text.len() > len_max {
            return Err(Error::FieldTooLong);
        }
        Ok(text)
    }

    /// The number of items of an array, which follow.
    pub(crate) fn array(&mut self) -> Result<u64, Error> {
        let start = self.position();
        let len = self.item(Decoder::array)?.ok_or(Error::NotDeterministic)?;
        self.check_head(start, len, 0)?;
        Ok(len)
    }

    /// An array of exactly `len` items, which follow.
    pub(crate) fn array_of(&mut self, len: u64) -> Result<(), Error> {
        if self.array()? != len {
            return Err(Error::Malformed);
        }
        Ok(())
    }

    /// The number of pairs of a map, which follow.
    pub(crate) fn map(&mut self) -> Result<u64, Error> {
        let start = self.position();
        let len = self.item(Decoder::map)?.ok_or(Error::NotDeterministic)?;
        self.check_head(start, len, 0)?;
        Ok(len)
    }

    /// The number of a tag, whose content follows.
    pub(crate) fn tag(&mut self) -> Result<u64, Error> {
        let start = self.position();
        let tag = self.item(Decoder::tag)?.as_u64();
        self.check_head(start, tag, 0)?;
        Ok(tag)
    }

    pub(crate) fn bool(&mut self) -> Result<bool, Error> {
        self.item(Decoder::bool)
    }

    /// A simple value other than the ones that have methods here.
    pub(crate) fn simple(&mut self) -> Result<u8, Error> {
        let start = self.position();
        let value = self.item(Decoder::simple)?;
        self.check_head(start, value.into(), 0)?;
        Ok(value)
    }

    /// A float of `N` bytes: its bits, big-endian.
    pub(crate) fn float<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let start = self.position().saturating_add(1);
        let end = start.saturating_add(N);
        let bits = self.decoder.input().get(start..end);
        let bits = bits.ok_or(Error::Truncated)?;
        self.decoder.set_position(end);
        bits.try_into().map_err(|_| Error::Truncated)
    }

    /// Reads null, or else what `read` reads.
    pub(crate) fn nullable<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        if self.peek()? != Type::Null {
            return read(self).map(Some);
        }
        self.null()?;
        Ok(None)
    }

    pub(crate) fn null(&mut self) -> Result<(), Error> {
        self.item(Decoder::null)
    }

    pub(crate) fn undefined(&mut self) -> Result<(), Error> {
        self.item(Decoder::undefined)
    }

    fn item<T>(
        &mut self,
        read: impl FnOnce(&mut Decoder<'b>) -> Result<T, decode::Error>,
    ) -> Result<T, Error> {
        read(&mut self.decoder).map_err(|error| from_decoder(&error))
    }

    /// An indefinite length is well-formed CBOR, so it deserves the error that says what is wrong
    /// with it.
    fn refuse_indefinite(&self) -> Result<(), Error> {
        if matches!(self.peek()?, Type::BytesIndef | Type::StringIndef) {
            return Err(Error::NotDeterministic);
        }
        Ok(())
    }

    /// Fails unless the item that began at `start` and has `payload_len` bytes of payload spent the
    /// least possible number of bytes on its head, which holds `value` (draft §6.1).
    fn check_head(&self, start: usize, value: u64, payload_len: usize) -> Result<(), Error> {
        let shortest = match value {
            0..=23 => 1,
            24..=0xff => 2,
            0x100..=0xffff => 3,
            0x1_0000..=0xffff_ffff => 5,
            _ => 9,
        };
        let spent = self.position().checked_sub(start);
        let spent = spent.and_then(|len| len.checked_sub(payload_len));
        if spent != Some(shortest) {
            return Err(Error::NotDeterministic);
        }
        Ok(())
    }
}

fn from_decoder(error: &decode::Error) -> Error {
    if error.is_end_of_input() {
        return Error::Truncated;
    }
    Error::Malformed
}
