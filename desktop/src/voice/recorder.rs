//! The microphone, while somebody speaks.

use std::sync::{Arc, Mutex, PoisonError};

use pulseaudio::protocol::stream::{BufferAttr, StreamFlags};
use pulseaudio::protocol::{
    ChannelMap, DEFAULT_SOURCE, RecordStreamParams, SampleFormat, SampleSpec,
};
use pulseaudio::{Client, RecordStream};
use serde::Serialize;
use tauri::ipc::Channel;
use zeroize::Zeroizing;

use super::{RATE, SAMPLES_MAX, STEP, connect, loudness, ms};
use crate::refusal::Refusal;

/// What was heard so far, for the page.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct HeardView {
    ms: u32,
    /// How loud the last tenth of a second was, from 0 to 100.
    loudness: u8,
    /// Whether it is as long as it can be.
    full: bool,
}

/// At most one recording at a time.
#[derive(Default)]
pub(crate) struct Recorder(Mutex<Option<Recording>>);

struct Recording {
    /// Closed when this is let go of.
    microphone: Option<(Client, RecordStream)>,
    heard: Arc<Mutex<Zeroizing<Vec<i16>>>>,
}

impl Recorder {
    /// Opens the microphone; what was recorded before is gone.
    ///
    /// # Errors
    /// `no_microphone`.
    pub(crate) async fn begin(&self, told: Channel<HeardView>) -> Result<(), Refusal> {
        self.put(None);
        // No room is found later, so that no copy of it stays behind.
        let samples = Zeroizing::new(Vec::with_capacity(SAMPLES_MAX));
        let heard = Arc::new(Mutex::new(samples));
        let microphone = listen(Arc::clone(&heard), told).await;
        let microphone = microphone.map_err(|_error| Refusal::no_microphone())?;
        self.put(Some(Recording {
            microphone: Some(microphone),
            heard,
        }));
        Ok(())
    }

    /// Closes the microphone and gives what was heard; it stays here until [`forget`](Self::forget), so that it can be sent
    /// again.
    ///
    /// # Errors
    /// `nothing_heard`.
    pub(crate) fn end(&self) -> Result<Zeroizing<Vec<i16>>, Refusal> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recording = state.as_mut().ok_or_else(Refusal::nothing_heard)?;
        recording.microphone = None;
        let heard = recording
            .heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match heard.len() < STEP {
            true => Err(Refusal::nothing_heard()),
            false => Ok(heard.clone()),
        }
    }

    /// Closes the microphone, and forgets what was heard.
    pub(crate) fn forget(&self) {
        self.put(None);
    }

    fn put(&self, recording: Option<Recording>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = recording;
    }
}

/// Has the sound server hand on what the microphone hears.
async fn listen(
    heard: Arc<Mutex<Zeroizing<Vec<i16>>>>,
    told: Channel<HeardView>,
) -> Result<(Client, RecordStream), pulseaudio::ClientError> {
    let client = connect().await?;
    let source = client
        .source_info_by_name(DEFAULT_SOURCE.to_owned())
        .await?;
    if source.monitor_of_sink_index.is_some() {
        // What the loudspeaker plays is no voice.
        return Err(pulseaudio::ClientError::ServerUnavailable);
    }
    let params = RecordStreamParams {
        source_index: Some(source.index),
        sample_spec: SampleSpec {
            format: SampleFormat::S16Le,
            channels: 1,
            sample_rate: RATE,
        },
        channel_map: ChannelMap::mono(),
        // Else a server may hand on two seconds at once, and keep the last words of what was said.
        flags: StreamFlags {
            adjust_latency: true,
            ..StreamFlags::default()
        },
        buffer_attr: BufferAttr {
            fragment_size: u32::try_from(STEP.saturating_mul(2)).unwrap_or(u32::MAX),
            ..BufferAttr::default()
        },
        ..RecordStreamParams::default()
    };
    let sink = move |bytes: &[u8]| take(&heard, bytes, &told);
    let stream = client.create_record_stream(params, sink).await?;
    Ok((client, stream))
}

/// Keeps what came, as far as there is room, and tells the page.
fn take(heard: &Mutex<Zeroizing<Vec<i16>>>, bytes: &[u8], told: &Channel<HeardView>) {
    let view = {
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        let (pairs, _) = bytes.as_chunks::<2>();
        let room = SAMPLES_MAX.saturating_sub(heard.len());
        heard.extend(
            pairs
                .iter()
                .take(room)
                .map(|pair| i16::from_le_bytes(*pair)),
        );
        let last = heard.len().saturating_sub(STEP);
        HeardView {
            ms: ms(heard.len()),
            loudness: loudness(heard.get(last..).unwrap_or_default()),
            full: heard.len() >= SAMPLES_MAX,
        }
    };
    // A page that has gone meanwhile needs no word.
    let _gone = told.send(view);
}
