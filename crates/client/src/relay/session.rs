//! The byte session as a value: commands in, messages out; messages in, notices out. It keeps
//! the two tables a connection needs: request numbers that wait for an answer, and handles that
//! stand for topics. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use sori_wire::{
    AccessKey, ClientMessage, CloseCode, Exporter, Frame, Handle, Refusal, RelayMessage, RequestId,
    Topic, TopicSeed,
};

/// What the driver wants from a connection.
#[derive(Debug)]
pub(crate) enum Command {
    /// Attach to the topic of this seed.
    Attach(TopicSeed),
    /// Leave a topic.
    Detach(Topic),
    /// Publish on an attached topic.
    Publish {
        /// Where.
        topic: Topic,
        /// What.
        frame: Frame,
        /// Comes back with the answer.
        token: u64,
    },
}

impl Command {
    /// What the command counts for in a queue bounded in bytes.
    pub(super) fn cost(&self) -> usize {
        const FIXED: usize = 128;
        match self {
            Self::Attach(_) | Self::Detach(_) => FIXED,
            Self::Publish { frame, .. } => frame.as_bytes().len().saturating_add(FIXED),
        }
    }
}

/// What a connection tells the driver.
#[derive(Debug)]
pub(crate) enum Notice {
    /// The topic is attached.
    Attached(Topic),
    /// A frame came.
    Frame(Topic, Frame),
    /// The relay lost frames for us.
    Gap(Topic),
    /// A publish was answered: how many others it was handed to.
    Published(u64, u32),
    /// The relay refused an attach.
    Refused(Topic, Refusal),
}

/// What a message from the relay leads to.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing to tell.
    Nothing,
    /// The relay let us in.
    Open,
    /// Tell the driver.
    Tell(Notice),
    /// Tell the relay.
    Send(ClientMessage),
    /// The relay is about to go; the connection is over, for this reason.
    Over(CloseCode),
}

/// The state of one connection.
#[derive(Debug)]
pub(super) struct Session {
    exporter: Exporter,
    next_request: u32,
    asked: BTreeMap<RequestId, Asked>,
    attached: BTreeMap<Topic, Handle>,
    handles: BTreeMap<Handle, Topic>,
    /// Attaches on the way whose topic was left again before the answer came.
    unwanted: BTreeSet<Topic>,
}

/// A request that waits for its answer.
#[derive(Debug)]
enum Asked {
    Attach(Topic),
    Greeting,
    Publish(u64),
}

impl Session {
    /// A fresh session on a connection with this exporter value.
    pub(super) const fn new(exporter: Exporter) -> Self {
        Self {
            exporter,
            next_request: 0,
            asked: BTreeMap::new(),
            attached: BTreeMap::new(),
            handles: BTreeMap::new(),
            unwanted: BTreeSet::new(),
        }
    }

    /// The first message, which shows that we belong to a private relay.
    pub(super) fn access(&self, key: &AccessKey) -> ClientMessage {
        ClientMessage::Access {
            proof: key.prove(&self.exporter),
        }
    }

    /// The first question: something that the relay refuses, but answers (`protocol §1.4.4`). A private
    /// relay that does not let us in closes instead.
    pub(super) fn greet(&mut self) -> Step {
        let Ok(frame) = Frame::new(Vec::new()) else {
            return Step::Nothing;
        };
        let request = self.ask(Asked::Greeting);
        Step::Send(ClientMessage::Publish {
            request,
            handle: Handle(0),
            frame,
        })
    }

    /// Carries out a command: the message to send, or the notice that is due at once.
    pub(super) fn command(&mut self, command: Command) -> Step {
        match command {
            Command::Attach(seed) => self.attach(&seed),
            Command::Detach(topic) => self.detach(topic),
            Command::Publish {
                topic,
                frame,
                token,
            } => self.publish(topic, frame, token),
        }
    }

    /// Takes a message from the relay. What refers to nothing we know is passed over: a detach
    /// and a frame may cross on the way.
    pub(super) fn message(&mut self, message: RelayMessage) -> Step {
        match message {
            RelayMessage::Attached { request, handle } => self.attach_answered(request, handle),
            RelayMessage::Deliver { handle, frame } => {
                self.handles.get(&handle).map_or(Step::Nothing, |topic| {
                    Step::Tell(Notice::Frame(*topic, frame))
                })
            }
            RelayMessage::Gap { handle } => self
                .handles
                .get(&handle)
                .map_or(Step::Nothing, |topic| Step::Tell(Notice::Gap(*topic))),
            RelayMessage::GoingAway => Step::Over(CloseCode::GoingAway),
            RelayMessage::Closing { code } => Step::Over(code),
            RelayMessage::Published { request, receivers } => match self.asked.remove(&request) {
                Some(Asked::Publish(token)) => Step::Tell(Notice::Published(token, receivers)),
                Some(Asked::Greeting) => Step::Open,
                Some(Asked::Attach(_)) | None => Step::Nothing,
            },
            RelayMessage::Refused { request, reason } => self.refused(request, reason),
        }
    }

    /// Whether any request waits for an answer.
    pub(super) fn is_waiting(&self) -> bool {
        !self.asked.is_empty()
    }

    fn attach(&mut self, seed: &TopicSeed) -> Step {
        let topic = seed.topic();
        if self.attached.contains_key(&topic) {
            return Step::Tell(Notice::Attached(topic));
        }
        let on_the_way = self
            .asked
            .values()
            .any(|asked| matches!(asked, Asked::Attach(t) if *t == topic));
        if on_the_way {
            self.unwanted.remove(&topic);
            return Step::Nothing;
        }
        let proof = seed.prove(&self.exporter);
        let request = self.ask(Asked::Attach(topic));
        Step::Send(ClientMessage::Attach {
            request,
            topic,
            proof,
        })
    }

    fn detach(&mut self, topic: Topic) -> Step {
        if let Some(handle) = self.attached.remove(&topic) {
            self.handles.remove(&handle);
            return Step::Send(ClientMessage::Detach { handle });
        }
        if self
            .asked
            .values()
            .any(|asked| matches!(asked, Asked::Attach(t) if *t == topic))
        {
            self.unwanted.insert(topic);
        }
        Step::Nothing
    }

    /// A frame for a topic that is not attached reaches nobody, and its answer says so.
    fn publish(&mut self, topic: Topic, frame: Frame, token: u64) -> Step {
        let Some(handle) = self.attached.get(&topic).copied() else {
            return Step::Tell(Notice::Published(token, 0));
        };
        let request = self.ask(Asked::Publish(token));
        Step::Send(ClientMessage::Publish {
            request,
            handle,
            frame,
        })
    }

    fn attach_answered(&mut self, request: RequestId, handle: Handle) -> Step {
        let Some(Asked::Attach(topic)) = self.asked.remove(&request) else {
            return Step::Nothing;
        };
        if self.unwanted.remove(&topic) {
            return Step::Send(ClientMessage::Detach { handle });
        }
        self.attached.insert(topic, handle);
        self.handles.insert(handle, topic);
        Step::Tell(Notice::Attached(topic))
    }

    fn refused(&mut self, request: RequestId, reason: Refusal) -> Step {
        match self.asked.remove(&request) {
            Some(Asked::Attach(topic)) if self.unwanted.remove(&topic) => Step::Nothing,
            Some(Asked::Attach(topic)) => Step::Tell(Notice::Refused(topic, reason)),
            // A refused publish reached nobody. The log keeps what it was; catch-up brings it.
            Some(Asked::Publish(token)) => Step::Tell(Notice::Published(token, 0)),
            Some(Asked::Greeting) => Step::Open,
            None => Step::Nothing,
        }
    }

    /// Numbers a request. Numbers come round again after 2^32; one that still waits is skipped.
    fn ask(&mut self, asked: Asked) -> RequestId {
        let mut request = RequestId(self.next_request);
        while self.asked.contains_key(&request) {
            request = RequestId(request.0.wrapping_add(1));
        }
        self.next_request = request.0.wrapping_add(1);
        self.asked.insert(request, asked);
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session::new(Exporter::from_bytes([7; 32]))
    }

    fn seed(n: u8) -> TopicSeed {
        TopicSeed::from_bytes([n; 32])
    }

    fn frame() -> Frame {
        Frame::new(vec![1, 2, 3]).unwrap()
    }

    fn attach(session: &mut Session, n: u8, handle: u32) -> Topic {
        let Step::Send(ClientMessage::Attach {
            request,
            topic,
            proof,
        }) = session.command(Command::Attach(seed(n)))
        else {
            panic!("an attach is sent");
        };
        assert!(topic.verify(&proof, &Exporter::from_bytes([7; 32])).is_ok());
        let answer = session.message(RelayMessage::Attached {
            request,
            handle: Handle(handle),
        });
        assert!(matches!(answer, Step::Tell(Notice::Attached(t)) if t == topic));
        topic
    }

    #[test]
    fn frames_come_back_under_the_topic_of_their_handle() {
        let mut session = session();
        let topic = attach(&mut session, 1, 9);
        let step = session.message(RelayMessage::Deliver {
            handle: Handle(9),
            frame: frame(),
        });
        assert!(matches!(step, Step::Tell(Notice::Frame(t, _)) if t == topic));
        let step = session.message(RelayMessage::Gap { handle: Handle(9) });
        assert!(matches!(step, Step::Tell(Notice::Gap(t)) if t == topic));
        let step = session.message(RelayMessage::Deliver {
            handle: Handle(8),
            frame: frame(),
        });
        assert!(matches!(step, Step::Nothing));
    }

    #[test]
    fn a_publish_is_answered_with_its_token_also_when_refused_or_not_attached() {
        let mut session = session();
        let topic = attach(&mut session, 1, 0);
        let publish = |token| Command::Publish {
            topic,
            frame: frame(),
            token,
        };
        let Step::Send(ClientMessage::Publish { request, .. }) = session.command(publish(5)) else {
            panic!("a publish is sent");
        };
        let step = session.message(RelayMessage::Published {
            request,
            receivers: 4,
        });
        assert!(matches!(step, Step::Tell(Notice::Published(5, 4))));
        let Step::Send(ClientMessage::Publish { request, .. }) = session.command(publish(6)) else {
            panic!("a publish is sent");
        };
        let step = session.message(RelayMessage::Refused {
            request,
            reason: Refusal::Busy,
        });
        assert!(matches!(step, Step::Tell(Notice::Published(6, 0))));
        assert!(matches!(
            session.command(Command::Detach(topic)),
            Step::Send(ClientMessage::Detach { .. })
        ));
        assert!(matches!(
            session.command(publish(7)),
            Step::Tell(Notice::Published(7, 0))
        ));
        assert!(!session.is_waiting());
    }

    #[test]
    fn a_topic_left_before_its_attach_was_answered_is_detached_then() {
        let mut session = session();
        let Step::Send(ClientMessage::Attach { request, topic, .. }) =
            session.command(Command::Attach(seed(1)))
        else {
            panic!("an attach is sent");
        };
        assert!(matches!(
            session.command(Command::Detach(topic)),
            Step::Nothing
        ));
        let step = session.message(RelayMessage::Attached {
            request,
            handle: Handle(3),
        });
        assert!(matches!(
            step,
            Step::Send(ClientMessage::Detach { handle: Handle(3) })
        ));
    }

    #[test]
    fn an_attach_asked_twice_is_sent_once() {
        let mut session = session();
        assert!(matches!(
            session.command(Command::Attach(seed(1))),
            Step::Send(_)
        ));
        assert!(matches!(
            session.command(Command::Attach(seed(1))),
            Step::Nothing
        ));
        assert!(session.is_waiting());
        let step = session.message(RelayMessage::Refused {
            request: RequestId(0),
            reason: Refusal::BadProof,
        });
        assert!(matches!(step, Step::Tell(Notice::Refused(..))));
        assert!(!session.is_waiting());
    }

    #[test]
    fn answers_to_nothing_and_of_the_wrong_kind_are_passed_over() {
        let mut session = session();
        let step = session.message(RelayMessage::Published {
            request: RequestId(77),
            receivers: 1,
        });
        assert!(matches!(step, Step::Nothing));
        let step = session.message(RelayMessage::Attached {
            request: RequestId(77),
            handle: Handle(0),
        });
        assert!(matches!(step, Step::Nothing));
        assert!(matches!(
            session.message(RelayMessage::GoingAway),
            Step::Over(CloseCode::GoingAway)
        ));
    }
}
