//! The loudspeaker, while somebody listens.

use std::sync::{Mutex, PoisonError};

use pulseaudio::protocol::stream::{BufferAttr, StreamFlags};
use pulseaudio::protocol::{
    ChannelMap, DEFAULT_SINK, PlaybackStreamParams, SampleFormat, SampleSpec,
};
use pulseaudio::{AsPlaybackSource as _, Client, PlaybackStream};
use serde::Serialize;
use tauri::ipc::Channel;
use zeroize::Zeroizing;

use super::{RATE, STEP, connect, ms};
use crate::refusal::Refusal;

/// How far it was played, for the page.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PlayedView {
    ms: u32,
    /// Whether it was played to its end, or the loudspeaker has gone.
    over: bool,
}

/// At most one voice message is played at a time.
#[derive(Default)]
pub(crate) struct Player(Mutex<Option<(Client, PlaybackStream)>>);

impl Player {
    /// Plays samples from one of them on; what was played before ends.
    ///
    /// # Errors
    /// `no_loudspeaker`.
    pub(crate) async fn play(
        &self,
        samples: Zeroizing<Vec<i16>>,
        from: usize,
        told: Channel<PlayedView>,
    ) -> Result<(), Refusal> {
        self.stop();
        let end = ms(samples.len());
        let begun = begin(samples, from, told.clone()).await;
        let (client, stream) = begun.map_err(|_error| Refusal::no_loudspeaker())?;
        let playing = stream.clone();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((client, stream));
        tauri::async_runtime::spawn(async move {
            // Ends too when it is stopped; the page knows that it was.
            let _played = playing.play_all().await;
            let _gone = told.send(PlayedView {
                ms: end,
                over: true,
            });
        });
        Ok(())
    }

    /// Is silent.
    pub(crate) fn stop(&self) {
        let playing = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((client, stream)) = playing {
            tauri::async_runtime::spawn(async move {
                // A loudspeaker that has gone plays nothing either.
                let _gone = stream.delete().await;
                drop(client);
            });
        }
    }
}

async fn begin(
    samples: Zeroizing<Vec<i16>>,
    from: usize,
    told: Channel<PlayedView>,
) -> Result<(Client, PlaybackStream), pulseaudio::ClientError> {
    let client = connect().await?;
    let params = PlaybackStreamParams {
        sample_spec: SampleSpec {
            format: SampleFormat::S16Le,
            channels: 1,
            sample_rate: RATE,
        },
        channel_map: ChannelMap::mono(),
        sink_name: Some(DEFAULT_SINK.to_owned()),
        // Little is handed over in advance, so that what is told is what is heard.
        flags: StreamFlags {
            adjust_latency: true,
            ..StreamFlags::default()
        },
        buffer_attr: BufferAttr {
            target_length: u32::try_from(STEP.saturating_mul(4)).unwrap_or(u32::MAX),
            ..BufferAttr::default()
        },
        ..PlaybackStreamParams::default()
    };
    let mut at = from.min(samples.len());
    let source = move |room: &mut [u8]| {
        let (pairs, _) = room.as_chunks_mut::<2>();
        let rest = samples.get(at..).unwrap_or_default();
        let mut given = 0_usize;
        for (pair, sample) in pairs.iter_mut().zip(rest) {
            *pair = sample.to_le_bytes();
            given = given.saturating_add(1);
        }
        let view = PlayedView {
            ms: ms(at),
            over: false,
        };
        at = at.saturating_add(given);
        // A page that has gone meanwhile needs no word.
        let _gone = told.send(view);
        given.saturating_mul(2)
    };
    let stream = client
        .create_playback_stream(params, source.as_playback_source())
        .await?;
    Ok((client, stream))
}
