import { expect, test, vi } from 'vitest';
import type { Backend, Heard, Played } from '../src/lib/backend';
import { Voice } from '../src/lib/voice.svelte';

/** A backend whose microphone and loudspeaker say what the test wants. */
function sound() {
  let onHeard: (heard: Heard) => void = () => undefined;
  let onPlayed: (played: Played) => void = () => undefined;
  const backend = {
    voiceBegin: vi.fn((listen: (heard: Heard) => void) => {
      onHeard = listen;
      return Promise.resolve();
    }),
    voiceSend: vi.fn(() => Promise.resolve('id')),
    voiceForget: vi.fn(() => Promise.resolve()),
    voicePlay: vi.fn((_group: string, _id: string, _from: number, listen: (played: Played) => void) => {
      onPlayed = listen;
      return Promise.resolve();
    }),
    voiceStop: vi.fn(() => Promise.resolve()),
  };
  return { backend, voice: new Voice(backend as unknown as Backend), hear: (heard: Heard) => onHeard(heard), played: (told: Played) => onPlayed(told) };
}

test('nothing is heard before somebody presses, and nothing is sent that was thrown away', async () => {
  const { backend, voice, hear } = sound();
  expect(backend.voiceBegin).not.toHaveBeenCalled();
  await voice.begin('a');
  hear({ ms: 100, loudness: 40, full: false });
  expect(voice.recording).toEqual({ group: 'a', ms: 100, bars: [40], full: false });
  voice.discard();
  expect(voice.recording).toBe(null);
  expect(backend.voiceForget).toHaveBeenCalledOnce();
  hear({ ms: 200, loudness: 40, full: false });
  expect(voice.recording).toBe(null);
  await voice.send({ replyTo: null, timerS: null });
  expect(backend.voiceSend).not.toHaveBeenCalled();
});

test('a microphone that opens after the conversation was left is closed again', async () => {
  const { backend, voice } = sound();
  let open = (): void => undefined;
  backend.voiceBegin.mockImplementationOnce(() => new Promise((resolve) => (open = resolve)));
  const begun = voice.begin('a');
  voice.discard();
  open();
  await begun;
  expect(voice.recording).toBe(null);
  expect(backend.voiceForget).toHaveBeenCalledOnce();
});

test('a recording that could not be sent is still there', async () => {
  const { backend, voice, hear } = sound();
  await voice.begin('a');
  hear({ ms: 3_000, loudness: 40, full: false });
  backend.voiceSend.mockRejectedValueOnce(new Error('refused'));
  await expect(voice.send({ replyTo: null, timerS: null })).rejects.toThrow('refused');
  expect(voice.recording?.ms).toBe(3_000);
  await voice.send({ replyTo: null, timerS: 60 });
  expect(backend.voiceSend).toHaveBeenLastCalledWith('a', { replyTo: null, timerS: 60 });
  expect(voice.recording).toBe(null);
});

test('one is played at a time, goes on where it was paused, and begins anew after its end', async () => {
  const { backend, voice, played } = sound();
  await voice.play('a', 'first', 0);
  played({ ms: 1_200, over: false });
  await voice.play('a', 'second', 0);
  expect(voice.playing).toEqual({ message: 'second', ms: 0 });
  expect(voice.at('first')).toBe(1_200);
  await voice.play('a', 'first', voice.at('first'));
  expect(backend.voicePlay.mock.lastCall?.[2]).toBe(1_200);
  played({ ms: 2_000, over: true });
  expect(voice.playing).toBe(null);
  expect(voice.at('first')).toBe(0);
});
