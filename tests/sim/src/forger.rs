//! Frames that no program makes, under seals that are right: whoever is in a group can make them (protocol §4.2,
//! §4.3). What is derived and sealed here is written down once more, by the protocol alone.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use sori_mls::{AccountId, StateId};
use sori_store::Table;
use sori_wire::{Topic, TopicSeed};

use crate::world::World;

/// The table of a profile's channels: each a group (16 bytes), a secret (32), and more.
const CHANNELS: Table = Table::own(7);
const AAD: &[u8] = b"sori channel frame 1";
/// Bytes in a full chunk, and before them.
const CHUNK: usize = 65_479;
const DAY_MS: u64 = 86_400_000;

/// The newest channel of a member, as it is today.
pub(crate) struct Forger {
    pub(crate) topic: Topic,
    key: [u8; 32],
}

fn derive(secret: &[u8], label: &str, day: u32) -> [u8; 32] {
    let mut derived = [0; 32];
    let info = [label.as_bytes(), &[0], &day.to_be_bytes()].concat();
    let hkdf = Hkdf::<Sha256>::new(None, secret);
    hkdf.expand(&info, &mut derived).unwrap();
    derived
}

/// A number as postcard has it.
fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}

fn bytes_of(bytes: &[u8]) -> Vec<u8> {
    [varint(bytes.len() as u64), bytes.to_vec()].concat()
}

impl Forger {
    /// What somebody's disk knows of the channel that it got last; nothing if it has none.
    pub(crate) fn of(world: &mut World, who: usize) -> Option<Self> {
        let channels = world.rows(who, CHANNELS);
        let secret = channels.last()?.get(16..48)?.to_vec();
        let day = u32::try_from(world.time(who).unix_ms() / DAY_MS).unwrap();
        let topic = TopicSeed::from_bytes(derive(&secret, "topic", day)).topic();
        let key = derive(&secret, "seal", day);
        Some(Self { topic, key })
    }

    /// A sealed frame of a chunk with these fields, however wrong they are.
    fn frame(&self, world: &mut World, (index, count): (u16, u16), body: &[u8]) -> Vec<u8> {
        let object = world.random().to_be_bytes();
        let header = [
            &[1],
            object.as_slice(),
            &index.to_be_bytes(),
            &count.to_be_bytes(),
        ]
        .concat();
        let chunk = [header, body.to_vec()].concat();
        let mut plain = u32::try_from(chunk.len()).unwrap().to_be_bytes().to_vec();
        plain.extend(chunk);
        let sealed_len = (plain.len() + 40).next_power_of_two().max(512);
        plain.resize(sealed_len - 40, 0);
        let nonce: Vec<u8> = (0..3).flat_map(|_| world.random().to_be_bytes()).collect();
        let cipher = XChaCha20Poly1305::new(Key::from_slice(&self.key));
        let payload = Payload {
            msg: &plain,
            aad: AAD,
        };
        let sealed = cipher.encrypt(XNonce::from_slice(&nonce), payload).unwrap();
        [nonce, sealed].concat()
    }

    /// Receipts and hellos in the name of others, with signatures that are none.
    pub(crate) fn forged_words(
        &self,
        world: &mut World,
        accounts: &[AccountId],
        frames: &[Vec<u8>],
    ) -> Vec<Vec<u8>> {
        let ids: Vec<u8> = (frames.iter()).flat_map(Sha256::digest).collect();
        let mut forged = Vec::new();
        for account in accounts {
            let receipt = [
                vec![5],
                account.as_bytes().to_vec(),
                varint(frames.len() as u64),
                ids.clone(),
                varint(0),
                bytes_of(&[7; 64]),
            ];
            forged.push(self.frame(world, (0, 1), &receipt.concat()));
            let nonce = world.random();
            let hello = [
                vec![3],
                varint(nonce),
                vec![9; 16],
                account.as_bytes().to_vec(),
                vec![0, 0],
                bytes_of(&[7; 64]),
            ];
            forged.push(self.frame(world, (0, 1), &hello.concat()));
        }
        forged
    }

    /// Commits on a state that are valid nowhere, and messages in it that open under no key.
    pub(crate) fn nonsense_in(&self, world: &mut World, state: &StateId) -> Vec<Vec<u8>> {
        let noise: Vec<u8> = (0..80).flat_map(|_| world.random().to_be_bytes()).collect();
        let unknown: Vec<u8> = noise[..32].to_vec();
        let parents = [state.as_bytes().to_vec(), unknown];
        let mut nonsense = Vec::new();
        for parent in parents {
            let commit = [
                vec![1],
                parent.clone(),
                varint(1 << 60),
                bytes_of(&noise),
                vec![0],
            ];
            nonsense.push(self.frame(world, (0, 1), &commit.concat()));
            let message = [vec![0], parent, bytes_of(&noise)];
            nonsense.push(self.frame(world, (0, 1), &message.concat()));
        }
        let order = [vec![2], bytes_of(&noise)];
        nonsense.push(self.frame(world, (0, 1), &order.concat()));
        nonsense
    }

    /// What is larger than the protocol allows, or cut in another way.
    pub(crate) fn oversize(&self, world: &mut World) -> Vec<Vec<u8>> {
        let full = vec![1; CHUNK];
        let receipt = [vec![5], vec![2; 32], varint(1_025), vec![3; 32 * 1_025]].concat();
        [
            self.frame(world, (0, 300), &full),
            self.frame(world, (5, 3), &full),
            self.frame(world, (0, 2), &full[..100]),
            self.frame(world, (0, 1), &receipt),
            self.frame(world, (0, 1), &[0xff; 40_000]),
            self.frame(world, (0, 1), &[]),
        ]
        .to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forged_is_sealed_as_a_member_seals() {
        let mut world = World::new(&["a", "b"], 3);
        let group = world.group("g", 0, &[1]);
        world.run(5_000);
        let forger = Forger::of(&mut world, 1).unwrap();
        assert!(world.is_at(1, &forger.topic));
        // A message in a state that nobody knows waits in the log: so the seal was right.
        let before = world.sync(0, &group).envelopes;
        let state = world.state(0, &group).parse().unwrap();
        for frame in forger.nonsense_in(&mut world, &state) {
            world.inject(1, forger.topic, frame);
        }
        world.run(1_000);
        assert!(world.sync(0, &group).envelopes >= before + 5);
        for frame in forger.oversize(&mut world) {
            world.inject(1, forger.topic, frame);
        }
        world.run(1_000);
        world.say(1, &group, "still here");
        world.until(10_000, "heard", |world| {
            world.texts(0, &group) == ["still here"]
        });
    }
}
