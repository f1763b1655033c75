//! Speech in a WAVE file with IMA ADPCM: four bits for each sample, in blocks that each begin anew.
//!
//! Any player on any system plays it; it needs no library, and has no place for anything but sound. Format tag 0x11,
//! one channel, 16,000 samples a second, blocks of 256 bytes with 505 samples: 8.1 kB a second.

use zeroize::Zeroizing;

use super::{RATE, SAMPLES_MAX, loudness};

/// IMA ADPCM in the registry of wave formats.
const TAG: u16 = 0x11;
/// Bytes of a block.
const BLOCK: usize = 256;
/// Samples of a block: one whole in its head, two in each further byte.
const BLOCK_SAMPLES: usize = 505;
/// How many bars a voice message is drawn with.
const BARS: usize = 48;

const INDEX: [i32; 8] = [-1, -1, -1, -1, 2, 4, 6, 8];
const STEPS: [i32; 89] = [
    7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66,
    73, 80, 88, 97, 107, 118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449,
    494, 544, 598, 658, 724, 796, 876, 963, 1060, 1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272,
    2499, 2749, 3024, 3327, 3660, 4026, 4428, 4871, 5358, 5894, 6484, 7132, 7845, 8630, 9493,
    10442, 11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794, 32767,
];

/// What both sides know after each sample.
#[derive(Clone, Copy, Default)]
struct Course {
    sample: i32,
    /// Where in [`STEPS`].
    index: i32,
}

impl Course {
    fn step(self) -> i32 {
        let at = usize::try_from(self.index).unwrap_or(0);
        STEPS.get(at).copied().unwrap_or(7)
    }

    /// The next sample, from four bits.
    fn follow(&mut self, code: u8) -> i16 {
        let step = self.step();
        let mut difference = step >> 3;
        for (bit, part) in [(4, step), (2, step >> 1), (1, step >> 2)] {
            if code & bit != 0 {
                difference = difference.saturating_add(part);
            }
        }
        let sign = if code & 8 == 0 { 1 } else { -1 };
        let sample = self.sample.saturating_add(difference.saturating_mul(sign));
        self.sample = sample.clamp(i32::from(i16::MIN), i32::from(i16::MAX));
        let change = INDEX.get(usize::from(code & 7)).copied().unwrap_or(0);
        self.index = self.index.saturating_add(change).clamp(0, 88);
        i16::try_from(self.sample).unwrap_or(0)
    }

    /// The four bits that come nearest to a sample; what they mean is followed.
    fn code(&mut self, sample: i16) -> u8 {
        let mut rest = i32::from(sample).saturating_sub(self.sample);
        let mut code = 0;
        if rest < 0 {
            code = 8;
            rest = rest.saturating_neg();
        }
        let step = self.step();
        for (bit, part) in [(4, step), (2, step >> 1), (1, step >> 2)] {
            if rest >= part {
                code |= bit;
                rest = rest.saturating_sub(part);
            }
        }
        self.follow(code);
        code
    }
}

/// Samples as a file.
pub(crate) fn encode(samples: &[i16]) -> Zeroizing<Vec<u8>> {
    let blocks = samples.chunks(BLOCK_SAMPLES).len();
    let data_len = blocks.saturating_mul(BLOCK);
    let mut bytes = Zeroizing::new(Vec::with_capacity(data_len.saturating_add(60)));
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&word(data_len.saturating_add(52)));
    bytes.extend_from_slice(b"WAVEfmt ");
    bytes.extend_from_slice(&form());
    bytes.extend_from_slice(b"fact");
    bytes.extend_from_slice(&word(4));
    bytes.extend_from_slice(&word(samples.len()));
    bytes.extend_from_slice(b"data");
    bytes.extend_from_slice(&word(data_len));
    let mut course = Course::default();
    for block in samples.chunks(BLOCK_SAMPLES) {
        encode_block(&mut course, block, &mut bytes);
    }
    bytes
}

/// The length and content of the part that says what the sound is made of.
fn form() -> Vec<u8> {
    let block = u16::try_from(BLOCK).unwrap_or(0);
    let each = u16::try_from(BLOCK_SAMPLES).unwrap_or(0);
    let a_second = (u64::from(RATE) * BLOCK as u64 / BLOCK_SAMPLES as u64) as usize;
    let mut bytes = word(20).to_vec();
    bytes.extend_from_slice(&TAG.to_le_bytes());
    bytes.extend_from_slice(&1_u16.to_le_bytes());
    bytes.extend_from_slice(&RATE.to_le_bytes());
    bytes.extend_from_slice(&word(a_second));
    for number in [block, 4, 2, each] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes
}

fn encode_block(course: &mut Course, block: &[i16], bytes: &mut Vec<u8>) {
    let Some((first, rest)) = block.split_first() else {
        return;
    };
    course.sample = i32::from(*first);
    bytes.extend_from_slice(&first.to_le_bytes());
    bytes.push(u8::try_from(course.index).unwrap_or(0));
    bytes.push(0);
    let mut codes = rest.iter().map(|sample| course.code(*sample));
    for _ in 4..BLOCK {
        let low = codes.next().unwrap_or(0);
        let high = codes.next().unwrap_or(0);
        bytes.push(low | (high << 4));
    }
}

fn word(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes()
}

/// The samples of a file such as [`encode`] makes; `None` for any other, and for one that is too long.
pub(crate) fn decode(bytes: &[u8]) -> Option<Zeroizing<Vec<i16>>> {
    let rest = bytes.strip_prefix(b"RIFF")?.get(4..)?;
    let mut rest = rest.strip_prefix(b"WAVE")?;
    let (mut known, mut count) = (false, None);
    loop {
        let (name, after) = rest.split_at_checked(4)?;
        let (len, after) = after.split_at_checked(4)?;
        let len = usize::try_from(u32::from_le_bytes(len.try_into().ok()?)).ok()?;
        let (part, after) = after.split_at_checked(len)?;
        match name {
            b"fmt " => known = [&word(len)[..], part].concat() == form(),
            b"fact" => {
                let said = u32::from_le_bytes(part.get(..4)?.try_into().ok()?);
                count = Some(usize::try_from(said).ok()?);
            }
            b"data" if known => return decode_blocks(part, count?),
            _ => {}
        }
        // Parts of odd length have a byte behind them.
        rest = after.get(len % 2..)?;
    }
}

fn decode_blocks(data: &[u8], count: usize) -> Option<Zeroizing<Vec<i16>>> {
    let (blocks, rest) = data.as_chunks::<BLOCK>();
    let room = blocks.len().checked_mul(BLOCK_SAMPLES)?;
    if !rest.is_empty() || count == 0 || count > room || count > SAMPLES_MAX {
        return None;
    }
    let mut samples = Zeroizing::new(Vec::with_capacity(room));
    for block in blocks {
        let (head, codes) = block.split_at_checked(4)?;
        let [low, high, index, 0] = *head else {
            return None;
        };
        let first = i16::from_le_bytes([low, high]);
        let mut course = Course {
            sample: i32::from(first),
            index: i32::from(index.min(88)),
        };
        samples.push(first);
        for pair in codes {
            samples.push(course.follow(pair & 15));
            samples.push(course.follow(pair >> 4));
        }
    }
    samples.truncate(count);
    Some(samples)
}

/// How loud each part of it is, from 0 to 100: what is drawn.
pub(crate) fn shape(samples: &[i16]) -> Vec<u8> {
    let each = samples.len().div_ceil(BARS).max(1);
    samples.chunks(each).map(loudness).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A tone of 440 Hz that grows louder.
    fn tone(len: usize) -> Vec<i16> {
        let at = |n: usize| {
            let angle = n as f64 * 440.0 * std::f64::consts::TAU / f64::from(RATE);
            (angle.sin() * 20_000.0 * n as f64 / len as f64) as i16
        };
        (0..len).map(at).collect()
    }

    #[test]
    fn what_comes_back_is_what_was_said() {
        for len in [1, 2, 504, 505, 506, 16_000] {
            let said = tone(len);
            let file = encode(&said);
            assert_eq!(file.len(), 60 + len.div_ceil(BLOCK_SAMPLES) * BLOCK);
            let back = decode(&file).unwrap();
            assert_eq!(back.len(), len);
            if len < 504 {
                // The steps have not had the time to grow as large as the sound.
                continue;
            }
            // Quieter than the sound by a factor of ten at least.
            let power = |samples: &[f64]| samples.iter().map(|one| one * one).sum::<f64>();
            let noise: Vec<f64> = said
                .iter()
                .zip(&**back)
                .map(|(a, b)| f64::from(*a) - f64::from(*b))
                .collect();
            let sound: Vec<f64> = said.iter().map(|one| f64::from(*one)).collect();
            assert!(power(&noise) <= power(&sound) / 100.0 + 1_000.0, "{len}");
        }
    }

    #[test]
    fn a_second_has_about_eight_kilobytes_and_names_nobody() {
        let file = encode(&tone(RATE as usize));
        assert!((8_000..8_300).contains(&file.len()));
        let names: Vec<&[u8]> = vec![b"RIFF", b"WAVE", b"fmt ", b"fact", b"data"];
        let told = names
            .iter()
            .filter(|name| file.windows(4).any(|w| w == **name));
        assert_eq!(told.count(), 5);
    }

    #[test]
    fn other_files_are_none() {
        let good = encode(&tone(600)).to_vec();
        assert!(decode(&good[..good.len() - 1]).is_none());
        let change = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            decode(&bytes)
        };
        // Another format, two channels, more samples than there are, a reserved byte.
        assert!(change(20, 1).is_none());
        assert!(change(22, 2).is_none());
        assert!(change(51, 1).is_none());
        assert!(change(63, 1).is_none());
        assert!(decode(b"").is_none() && decode(b"RIFF\0\0\0\0WAVE").is_none());
        assert!(decode(&encode(&[])).is_none());
    }

    #[test]
    fn it_is_drawn_with_as_many_bars_as_there_are() {
        assert_eq!(shape(&tone(16_000)).len(), BARS);
        assert_eq!(shape(&[0; 10]).len(), 10);
        let bars = shape(&tone(48_000));
        assert!(
            bars.is_sorted() && bars[0] < 20 && bars[47] > 70,
            "{bars:?}"
        );
    }

    proptest! {
        #[test]
        fn no_file_of_somebody_else_does_harm(mut bytes in prop::collection::vec(any::<u8>(), 0..600), keep in 0_usize..60) {
            let good = encode(&tone(505));
            let keep = keep.min(bytes.len());
            bytes[..keep].copy_from_slice(&good[..keep]);
            if let Some(samples) = decode(&bytes) {
                prop_assert!(samples.len() <= SAMPLES_MAX);
            }
        }
    }
}
