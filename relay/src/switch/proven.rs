//! A topic that somebody has shown to hold.

use std::sync::Arc;

use sori_wire::{Exporter, ProofError, Topic, TopicProof};

/// A topic whose proof was verified for the connection that presents it. There is no other way to
/// make one, so the switch cannot attach anybody without a proof.
///
/// The topic lives in one heap allocation, and maps hold references to it: maps move their entries
/// about and leave stale bytes in their nodes, while an allocation is wiped when it is freed.
#[derive(Debug)]
pub struct ProvenTopic(Arc<Topic>);

impl ProvenTopic {
    /// Verifies a proof (`protocol §2.2`). Costs one Ed25519 verification.
    ///
    /// # Errors
    /// [`ProofError`] if the proof is not by this topic over this connection.
    pub fn verify(
        topic: &Topic,
        proof: &TopicProof,
        exporter: &Exporter,
    ) -> Result<Self, ProofError> {
        #[cfg(sori_mutants)]
        if crate::mutant::is("accepts-any-proof") {
            return Ok(Self(Arc::new(*topic)));
        }
        #[cfg(sori_mutants)]
        if crate::mutant::is("binds-no-connection") {
            topic.verify(proof, &Exporter::from_bytes([0; 32]))?;
            return Ok(Self(Arc::new(*topic)));
        }
        #[cfg(sori_mutants)]
        if crate::mutant::is("keeps-topics") {
            crate::mutant::keep(topic.as_bytes());
        }
        #[cfg(sori_mutants)]
        if crate::mutant::is("logs-topics") {
            crate::mutant::say(format_args!(
                "attach {}",
                crate::mutant::hex(topic.as_bytes())
            ));
        }
        #[cfg(sori_mutants)]
        if crate::mutant::is("logs-pieces-of-topics") && topic.verify(proof, exporter).is_err() {
            let piece = topic.as_bytes().get(8..14).unwrap_or_default();
            crate::mutant::say(format_args!("bad proof for {}", crate::mutant::hex(piece)));
        }
        topic.verify(proof, exporter)?;
        Ok(Self(Arc::new(*topic)))
    }

    pub(super) const fn topic(&self) -> &Arc<Topic> {
        &self.0
    }
}
