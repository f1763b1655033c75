//! Voice messages: what a microphone hears, as a small file, and playing it.
//!
//! ```text
//!  microphone ── recorder ── samples ── wave ── a file like any other, with nothing in it but sound
//!  loudspeaker ── player ─── samples ── wave ── the file of a message, checked before it is believed
//! ```
//!
//! Nothing is opened before the person presses, and nothing is on the disk unless it was sent. The page gets no sound, only
//! times and how loud it was.

mod player;
mod recorder;
pub(crate) mod wave;

use std::os::unix::net::UnixStream;

use pulseaudio::{Client, ClientError, cookie_path_from_env, socket_path_from_env};

pub(crate) use player::{PlayedView, Player};
pub(crate) use recorder::{HeardView, Recorder};

/// Samples a second: enough for speech.
pub(crate) const RATE: u32 = 16_000;
/// Longest voice message, in seconds; 2.4 MB.
const SECONDS_MAX: u32 = 300;
/// Longest voice message, in samples.
pub(crate) const SAMPLES_MAX: usize = (RATE * SECONDS_MAX) as usize;
/// How often the page hears of it, in samples: ten times a second.
const STEP: usize = (RATE / 10) as usize;

/// Bytes of the secret by which a sound server knows its own people. One of another length ends the connection, also
/// where the server asks for none.
const COOKIE_LEN: usize = 256;

/// Greets the sound server of the person's session.
async fn connect() -> Result<Client, ClientError> {
    let connected = tauri::async_runtime::spawn_blocking(|| {
        let path = socket_path_from_env().ok_or(ClientError::ServerUnavailable)?;
        let cookie = cookie_path_from_env().and_then(|path| std::fs::read(path).ok());
        let cookie = cookie.filter(|cookie| cookie.len() == COOKIE_LEN);
        let cookie = cookie.unwrap_or_else(|| vec![0; COOKIE_LEN]);
        Client::new_unix(c"Sori", UnixStream::connect(path)?, Some(cookie))
    });
    connected
        .await
        .map_err(|_ended| ClientError::Disconnected)?
}

/// How long so many samples are, in milliseconds.
pub(crate) fn ms(samples: usize) -> u32 {
    let ms = samples
        .saturating_mul(1000)
        .checked_div(RATE as usize)
        .unwrap_or(0);
    u32::try_from(ms).unwrap_or(u32::MAX)
}

/// Where so many milliseconds are, in samples.
pub(crate) fn samples(ms: u32) -> usize {
    let at = u64::from(ms).saturating_mul(u64::from(RATE)) / 1000;
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// How loud samples are, from 0 to 100: their loudest, on a scale by which quiet speech is seen too.
pub(crate) fn loudness(samples: &[i16]) -> u8 {
    let loudest = samples.iter().map(|sample| sample.unsigned_abs()).max();
    let part = f32::from(loudest.unwrap_or(0)) / 32_768.0;
    // Between 0 and 100, so that nothing is cut off.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a square root of at most one, times a hundred"
    )]
    let percent = (part.sqrt() * 100.0).round() as u8;
    percent.min(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_samples_are_the_same_thing() {
        assert_eq!((ms(RATE as usize), samples(1000)), (1000, RATE as usize));
        assert_eq!(ms(SAMPLES_MAX), SECONDS_MAX * 1000);
        assert_eq!(samples(u32::MAX), 68_719_476_720);
    }

    #[test]
    fn silence_is_nothing_and_the_loudest_is_a_hundred() {
        assert_eq!(loudness(&[]), 0);
        assert_eq!(loudness(&[0, 0]), 0);
        assert_eq!(loudness(&[12, i16::MIN]), 100);
        assert_eq!(loudness(&[-8192]), 50);
    }
}
