//! What a large group costs on the disk: one engine among hundreds of bare members.

use sori_mls::{AccountKey, Conversation, Core, Device, GroupData, GroupId, Head, Operation};
use sori_store::{MemoryDisk, Store};

use crate::engine::Engine;
use crate::envelope::{AppBody, AppMessage, ChannelMessage};
use crate::group::clock_of;
use crate::time::Time;

const NOW: Time = Time::from_unix_ms(1_795_316_400_000);

/// A group of `count` bare devices and one engine.
pub(crate) struct Large {
    pub(crate) disk: MemoryDisk,
    pub(crate) engine: Engine,
    pub(crate) id: GroupId,
    pub(crate) others: Vec<(Core, Head)>,
    now: Time,
    said: u64,
}

fn core(number: u32) -> Core {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    let mut rng = <rand_chacha::ChaCha20Rng as rand_core::SeedableRng>::from_seed(seed);
    let account = AccountKey::from_bytes(&seed);
    let device = Device::generate(&account, &mut rng);
    Core::new(device, seed).unwrap()
}

impl Large {
    pub(crate) fn new(count: u32, joined: u32) -> Self {
        let disk = MemoryDisk::new();
        let store = Store::open_memory(&disk, [1; 32]).unwrap();
        let mut engine = Engine::open(store, [2; 32], NOW).unwrap();
        engine.account_create("a", NOW).unwrap();
        let relay = format!("relay://127.0.0.1:4433/#{}", "A".repeat(43));
        engine.relay_set(&relay, NOW).unwrap();
        let owner = core(0);
        let id = GroupId::from_bytes([7; 16]);
        let mut data = GroupData::new(owner.device().account(), "many".into(), Conversation::Group);
        data.relays.push(relay);
        let head = owner.create_group(id, data).unwrap();
        let own = engine.core().unwrap().new_key_package().unwrap();
        let members: Vec<_> = (1..count)
            .map(|number| {
                let core = core(number);
                let package = core.new_key_package().unwrap();
                (core, package)
            })
            .collect();
        let own_bytes = own.bytes.clone();
        let mut others = vec![(owner, head)];
        let mut welcome = Vec::new();
        let silent = usize::try_from(count - 1 - joined.min(count - 1)).unwrap();
        let mut members = members.into_iter().enumerate().peekable();
        while members.peek().is_some() {
            // As many as one commit may add; the engine comes last.
            let batch: Vec<_> = members.by_ref().take(63).collect();
            let mut key_packages: Vec<_> = batch
                .iter()
                .map(|(_, (_, package))| package.bytes.clone())
                .collect();
            if members.peek().is_none() {
                key_packages.push(own_bytes.clone());
            }
            let (owner, head) = &others[0];
            let add = head
                .commit(owner, &Operation::Add { key_packages })
                .unwrap();
            welcome = add.welcome.unwrap();
            for (core, head) in others.iter_mut().skip(1) {
                let (_, child) = head.snapshot().apply_commit(core, &add.message).unwrap();
                *head = core.load_head(child.rows()).unwrap();
            }
            others[0].1 = add.child;
            for (number, (core, package)) in batch {
                if number >= silent {
                    let (head, _) = core.join(&welcome, &[&package.private]).unwrap();
                    others.push((core, head));
                }
            }
        }
        let (head, _) = engine
            .core()
            .unwrap()
            .join(&welcome, &[&own.private])
            .unwrap();
        let mut group = engine.empty_group(id, &head);
        let channel = engine.open_channel_of(&group, head.snapshot()).unwrap();
        engine.enter(&mut group, head, channel, NOW).unwrap();
        engine.groups.insert(id, group);
        let mut large = Self {
            disk,
            engine,
            id,
            others,
            now: NOW,
            said: 0,
        };
        large.commit();
        large
    }

    /// Makes durable what happened. Bytes written since.
    pub(crate) fn commit(&mut self) -> u64 {
        let before = self.disk.written();
        self.engine.store.commit().unwrap();
        self.disk.written() - before
    }

    pub(crate) const fn now(&self) -> Time {
        self.now
    }

    fn channel(&self) -> u32 {
        self.engine.groups[&self.id].channel().unwrap()
    }

    fn deliver(&mut self, message: &ChannelMessage) {
        let channel = self.channel();
        let day = self.now.day();
        let encoded = message.encode().unwrap();
        let object = self.engine.random();
        for chunk in crate::chunk::split(&encoded, object).unwrap() {
            let sealed = self.engine.seal_for(channel, day, &chunk).unwrap();
            self.engine
                .accept_frame(channel, day, &sealed, self.now)
                .unwrap();
        }
    }

    /// One of the others says something, which the engine receives.
    pub(crate) fn say(&mut self, who: usize, text: &str) {
        let salt = [u8::try_from(self.said % 251).unwrap(); 16];
        let content = sori_content::MimiContent::text(salt, &format!("{text} {}", self.said));
        self.say_content(who, &content);
    }

    /// As [`say`](Self::say), with any content. Its id.
    pub(crate) fn say_content(
        &mut self,
        who: usize,
        content: &sori_content::MimiContent,
    ) -> sori_content::MessageId {
        self.said += 1;
        self.now = self.now.plus_ms(1000);
        let (core, head) = &mut self.others[who];
        let app = AppMessage {
            clock: clock_of(self.now),
            sent_at: self.now.unix_ms(),
            body: AppBody::Content(content.encode()),
        };
        let state = head.snapshot().state();
        let message = head
            .encrypt(core, state.as_bytes(), &app.encode().unwrap())
            .unwrap();
        let (from, room) = crate::messages::uris(&core.device().account(), &self.id);
        self.deliver(&ChannelMessage::Application { state, message });
        content.message_id(&from, &room)
    }

    /// Lets time pass by the engine's clock.
    pub(crate) fn wait(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        self.engine.handle_timeout(self.now).unwrap();
        self.commit();
    }

    /// One of the others commits new keys; all follow. Bytes of the commit.
    pub(crate) fn update(&mut self, who: usize) -> usize {
        let (core, head) = &self.others[who];
        let parent = head.snapshot().state();
        let commit = head.commit(core, &Operation::Update).unwrap();
        let len = commit.message.len();
        let mut own = Some(commit.child);
        for (other, (core, head)) in self.others.iter_mut().enumerate() {
            *head = if other == who {
                own.take().unwrap()
            } else {
                let (_, child) = head.snapshot().apply_commit(core, &commit.message).unwrap();
                core.load_head(child.rows()).unwrap()
            };
        }
        self.now = self.now.plus_ms(1000);
        self.deliver(&ChannelMessage::Commit {
            spares: Vec::new(),
            parent,
            clock: clock_of(self.now),
            message: commit.message,
        });
        assert_eq!(
            self.engine.groups[&self.id].head_state().unwrap(),
            self.others[0].1.snapshot().state()
        );
        len
    }
}

#[test]
#[ignore = "takes a while and tells figures"]
fn figures_of_a_large_group() {
    let number = |name: &str, or: u32| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(or)
    };
    let (count, joined) = (number("SORI_LARGE", 500), number("SORI_LARGE_ACTIVE", 60));
    let mut large = Large::new(count, joined);
    let rows = |large: &mut Large| {
        let id = large.id;
        large
            .engine
            .with_group(id, |engine, group| {
                engine.ensure_head(group)?;
                Ok(group.head.as_ref().unwrap().snapshot().rows().into_map())
            })
            .unwrap()
    };
    let show = |rows: &std::collections::BTreeMap<Vec<u8>, Vec<u8>>| {
        for (key, value) in rows {
            println!("  row kind {}: {} bytes", key[0], value.len());
        }
    };
    println!("members {count}, of whom {joined} speak");
    show(&rows(&mut large));
    for round in 0..4 {
        let mut bytes = Vec::new();
        for who in 0..large.others.len() {
            large.say(who, "안녕하세요, everybody");
            bytes.push(large.commit());
        }
        bytes.sort_unstable();
        println!(
            "round {round}: bytes for each message received: median {}, most {}",
            bytes[bytes.len() / 2],
            bytes.last().unwrap()
        );
    }
    show(&rows(&mut large));
    let before = rows(&mut large);
    let len = large.update(1);
    println!(
        "commit of {len} bytes on a tree without parents: {} written",
        large.commit()
    );
    let after = rows(&mut large);
    shared(&before, &after);
    for who in 2..large.others.len().min(40) {
        large.update(who);
        large.commit();
    }
    let before = rows(&mut large);
    let len = large.update(0);
    println!("commit of {len} bytes later: {} written", large.commit());
    let after = rows(&mut large);
    show(&after);
    shared(&before, &after);
}

fn shared(
    before: &std::collections::BTreeMap<Vec<u8>, Vec<u8>>,
    after: &std::collections::BTreeMap<Vec<u8>, Vec<u8>>,
) {
    for (key, new) in after {
        if new.len() < 4000 {
            continue;
        }
        let Some(old) = before.get(key) else { continue };
        for (min, avg, max) in [(128, 512, 2048), (256, 1024, 3840), (512, 2048, 3840)] {
            let pieces = |bytes: &[u8]| -> Vec<Vec<u8>> {
                fastcdc::v2020::FastCDC::new(bytes, min, avg, max)
                    .map(|c| bytes[c.offset..c.offset + c.length].to_vec())
                    .collect()
            };
            let old: std::collections::BTreeSet<_> = pieces(old).into_iter().collect();
            let all = pieces(new);
            let fresh: Vec<_> = all.iter().filter(|p| !old.contains(*p)).collect();
            println!(
                "  kind {}: {} bytes in {} pieces of {avg}; new {} pieces, {} bytes",
                key[0],
                new.len(),
                all.len(),
                fresh.len(),
                fresh.iter().map(|p| p.len()).sum::<usize>()
            );
        }
    }
}
