//! Pictures that people send: read with bounds, and never handed on as they came.
//!
//! A picture that is shown is decoded here and reaches the page as dots, so that the web view decodes nothing that
//! somebody else made. A picture that is sent is decoded and encoded anew: where it was taken, with what and when, stays here.

use std::io::Cursor;
use std::sync::{Mutex, PoisonError};

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use zeroize::Zeroizing;

/// Longest side that is read, in dots.
const SIDE_MAX: u32 = 16_384;
/// Most dots that are read: the photos of today's telephones.
const DOTS_MAX: u64 = 64 * 1024 * 1024;
/// Most memory that reading one takes, in bytes.
const MEMORY_MAX: u64 = 320 * 1024 * 1024;
/// Longest side of a picture that is sent, in dots.
const SENT_SIDE_MAX: u32 = 4096;
/// Of 100; what a JPEG keeps of what can be seen.
const QUALITY: u8 = 88;
/// A drawing that is longer than this as PNG goes as JPEG, in bytes.
const DRAWING_LEN_MAX: usize = 3 * 1024 * 1024;

/// Sides of a group's picture, the largest first, in dots.
const SMALL_SIDES: [u32; 3] = [256, 192, 128];
/// Longest picture of a group, in bytes (protocol §9.8).
const SMALL_LEN_MAX: usize = 60 * 1024;

/// One at a time: the memory that reading takes is taken once.
static READING: Mutex<()> = Mutex::new(());

/// A picture as dots, four bytes each: red, green, blue, how opaque.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Dots {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) rgba: Vec<u8>,
}

impl std::fmt::Debug for Dots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dots({} by {})", self.width, self.height)
    }
}

impl Dots {
    /// As the page gets it: width and height (u32 big endian each), dots.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.rgba.len().saturating_add(8));
        bytes.extend_from_slice(&self.width.to_be_bytes());
        bytes.extend_from_slice(&self.height.to_be_bytes());
        bytes.extend_from_slice(&self.rgba);
        bytes
    }
}

/// A picture as it is sent.
pub(crate) struct Clean {
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    pub(crate) media_type: &'static str,
    pub(crate) ending: &'static str,
}

/// Whether this begins like a picture that can be read.
pub(crate) fn is_picture(bytes: &[u8]) -> bool {
    format_of(bytes).is_some()
}

/// The picture, with no side longer than `side` dots; `None` for what is none, or is too large.
pub(crate) fn dots(bytes: &[u8], side: u32) -> Option<Dots> {
    let _one = READING.lock().unwrap_or_else(PoisonError::into_inner);
    let side = side.clamp(1, SENT_SIDE_MAX);
    let (picture, orientation) = read(bytes)?;
    let mut picture = match picture.width() > side || picture.height() > side {
        true => picture.thumbnail(side, side),
        false => picture,
    };
    picture.apply_orientation(orientation);
    let picture = picture.into_rgba8();
    Some(Dots {
        width: picture.width(),
        height: picture.height(),
        rgba: picture.into_raw(),
    })
}

/// The picture made anew: nothing but what can be seen of it. `None` for what is no still picture: that goes as it is.
pub(crate) fn clean(bytes: &[u8]) -> Option<Clean> {
    let _one = READING.lock().unwrap_or_else(PoisonError::into_inner);
    // A GIF is there for its movement, which this would take away.
    let format = format_of(bytes).filter(|format| *format != ImageFormat::Gif)?;
    let (picture, orientation) = read(bytes)?;
    let mut picture = match picture.width().max(picture.height()) > SENT_SIDE_MAX {
        true => picture.resize(SENT_SIDE_MAX, SENT_SIDE_MAX, FilterType::CatmullRom),
        false => picture,
    };
    picture.apply_orientation(orientation);
    if format == ImageFormat::Jpeg {
        return photo(&picture);
    }
    let is_opaque = !picture.color().has_alpha() || is_opaque(&picture);
    match drawing(&picture) {
        Some(clean) if !is_opaque || clean.bytes.len() <= DRAWING_LEN_MAX => Some(clean),
        _ => photo(&picture),
    }
}

/// The square in the middle of a picture, made small and anew, as a group has it. `None` for what is no picture.
pub(crate) fn small(bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let _one = READING.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut picture, orientation) = read(bytes)?;
    picture.apply_orientation(orientation);
    let sides = SMALL_SIDES.into_iter();
    let mut made = sides.filter_map(|side| {
        let square = picture.resize_to_fill(side, side, FilterType::CatmullRom);
        // A photograph is short; what can be seen through stays so where it fits.
        let clean = match square.color().has_alpha() && !is_opaque(&square) {
            true => drawing(&square),
            false => photo(&square),
        };
        clean.map(|clean| clean.bytes)
    });
    made.find(|bytes| bytes.len() <= SMALL_LEN_MAX)
}

fn format_of(bytes: &[u8]) -> Option<ImageFormat> {
    image::guess_format(bytes).ok().filter(|format| {
        matches!(
            format,
            ImageFormat::Gif | ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP
        )
    })
}

fn read(bytes: &[u8]) -> Option<(DynamicImage, Orientation)> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(MEMORY_MAX);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format_of(bytes)?);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    let has_room = u64::from(width).saturating_mul(u64::from(height)) <= DOTS_MAX
        && decoder.total_bytes() <= MEMORY_MAX;
    if !has_room || width == 0 || height == 0 {
        return None;
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = DynamicImage::from_decoder(decoder).ok()?;
    Some((picture, orientation))
}

fn is_opaque(picture: &DynamicImage) -> bool {
    let rgba = picture.to_rgba8();
    rgba.pixels().all(|dot| dot.0.last() == Some(&u8::MAX))
}

fn photo(picture: &DynamicImage) -> Option<Clean> {
    let mut bytes = Zeroizing::new(Vec::new());
    let encoder = JpegEncoder::new_with_quality(&mut *bytes, QUALITY);
    picture.to_rgb8().write_with_encoder(encoder).ok()?;
    Some(Clean {
        bytes,
        media_type: "image/jpeg",
        ending: "jpg",
    })
}

fn drawing(picture: &DynamicImage) -> Option<Clean> {
    let mut bytes = Cursor::new(Vec::new());
    // Eight bits for a colour, however many there were: what a screen shows.
    let plain = DynamicImage::ImageRgba8(picture.to_rgba8());
    plain.write_to(&mut bytes, ImageFormat::Png).ok()?;
    Some(Clean {
        bytes: Zeroizing::new(bytes.into_inner()),
        media_type: "image/png",
        ending: "png",
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A picture of which no two neighbours are alike.
    fn picture(width: u32, height: u32) -> DynamicImage {
        let dot = |x: u32, y: u32| {
            let [.., r] = (x * 7).to_be_bytes();
            let [.., g] = (y * 11).to_be_bytes();
            image::Rgb([r, g, 90])
        };
        DynamicImage::ImageRgb8(image::RgbImage::from_fn(width, height, dot))
    }

    fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// A JPEG that says to turn it by a quarter, where it was taken, and by whom.
    fn telling(picture: &DynamicImage) -> Vec<u8> {
        let plain = encoded(picture, ImageFormat::Jpeg);
        let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x02".to_vec();
        exif.extend_from_slice(b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0");
        exif.extend_from_slice(b"\x01\x3b\0\x02\0\0\0\x0b\0\0\0\x26");
        exif.extend_from_slice(b"\0\0\0\0SECRETNAME\0");
        let len = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
        [&plain[..2], &[0xff, 0xe1], &len, &exif, &plain[2..]].concat()
    }

    fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
        bytes.windows(wanted.len()).any(|window| window == wanted)
    }

    #[test]
    fn what_a_camera_wrote_stays_here_and_the_picture_is_the_right_way_up() {
        let told = telling(&picture(40, 20));
        assert!(holds(&told, b"SECRETNAME") && holds(&told, b"Exif"));
        let clean = clean(&told).unwrap();
        assert!(!holds(&clean.bytes, b"SECRETNAME") && !holds(&clean.bytes, b"Exif"));
        let dots = dots(&clean.bytes, 1000).unwrap();
        assert_eq!((dots.width, dots.height), (20, 40));
        assert_eq!((clean.media_type, clean.ending), ("image/jpeg", "jpg"));
    }

    #[test]
    fn what_can_be_seen_through_stays_so_and_is_a_png() {
        let mut clear = picture(30, 30).to_rgba8();
        clear.put_pixel(3, 3, image::Rgba([9, 9, 9, 0]));
        for format in [ImageFormat::Png, ImageFormat::WebP] {
            let clean = clean(&encoded(&DynamicImage::ImageRgba8(clear.clone()), format)).unwrap();
            assert_eq!(clean.media_type, "image/png");
            let dots = dots(&clean.bytes, 1000).unwrap();
            assert_eq!(dots.rgba[(3 * 30 + 3) * 4 + 3], 0);
        }
    }

    #[test]
    fn each_kind_is_read_small_and_a_large_one_is_sent_smaller() {
        for format in [
            ImageFormat::Png,
            ImageFormat::Jpeg,
            ImageFormat::WebP,
            ImageFormat::Gif,
        ] {
            let dots = dots(&encoded(&picture(300, 150), format), 100).unwrap();
            assert_eq!((dots.width, dots.height), (100, 50));
            assert_eq!(dots.to_bytes().len(), 8 + 100 * 50 * 4);
        }
        let clean = clean(&encoded(&picture(5000, 10), ImageFormat::Png)).unwrap();
        assert_eq!(dots(&clean.bytes, 9999).unwrap().width, SENT_SIDE_MAX);
    }

    #[test]
    fn a_group_gets_the_middle_of_a_picture_and_nothing_that_was_written_into_it() {
        let small_one = small(&telling(&picture(600, 300))).unwrap();
        assert!(!holds(&small_one, b"SECRETNAME") && small_one.len() <= SMALL_LEN_MAX);
        let seen = dots(&small_one, 1000).unwrap();
        assert_eq!((seen.width, seen.height), (256, 256));
        // Noise that can be seen through is as long as it gets.
        let noise = |x: u32, y: u32| {
            let mixed = (x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca77))
                .wrapping_mul(0xc2b2_ae35);
            image::Rgba((mixed ^ (mixed >> 15)).to_be_bytes())
        };
        let noise = DynamicImage::ImageRgba8(image::RgbaImage::from_fn(400, 400, noise));
        let noise = small(&encoded(&noise, ImageFormat::Png));
        assert!(noise.is_none_or(|bytes| bytes.len() <= SMALL_LEN_MAX));
        assert!(small(b"%PDF-1.7").is_none());
    }

    #[test]
    fn what_moves_is_not_made_anew_and_what_is_too_large_or_no_picture_is_none() {
        assert!(clean(&encoded(&picture(9, 9), ImageFormat::Gif)).is_none());
        for none in [
            &b""[..],
            b"%PDF-1.7",
            b"GIF89a",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        ] {
            assert!(dots(none, 100).is_none() && clean(none).is_none());
        }
        // A few bytes that claim to be a picture of 30,000 by 30,000 dots.
        let mut bomb = encoded(&picture(1, 1), ImageFormat::Png);
        bomb[16..20].copy_from_slice(&30_000_u32.to_be_bytes());
        bomb[20..24].copy_from_slice(&30_000_u32.to_be_bytes());
        assert!(dots(&bomb, 100).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_somebody_changed_in_a_picture_is_none_or_another_picture(
            kind in 0_usize..4,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
            cut in any::<prop::sample::Index>(),
        ) {
            let kinds = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif];
            let mut bytes = encoded(&picture(24, 16), kinds[kind]);
            for (at, byte) in changes {
                let len = bytes.len();
                bytes[at.index(len)] = byte;
            }
            let _whole = dots(&bytes, 64);
            bytes.truncate(cut.index(bytes.len()));
            if let Some(dots) = dots(&bytes, 64) {
                prop_assert!(dots.width <= 64 && dots.height <= 64);
            }
        }
    }
}
