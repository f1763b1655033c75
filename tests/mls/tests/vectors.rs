//! The official test vectors of MLS (github.com/mlswg/mls-implementations, folder `test-vectors`), against what we
//! build on, as far as its public interface can run them. docs/auditing.md names the others.
//!
//! They lie in the folder that `MLS_TEST_VECTORS` names, or in `../shared/mls-test-vectors` beside the checkout.
//! Where they are not, nothing is tested and each test says so.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use openmls::prelude::*;
use openmls::schedule::PreSharedKeyId;
use openmls_rust_crypto::OpenMlsRustCrypto;
use openmls_traits::storage::StorageProvider as _;
use openmls_traits::types::Ciphersuite;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tls_codec::{
    Deserialize as TlsDecode, Serialize as TlsEncode, TlsSerialize, TlsSize, VLByteSlice,
};

/// The entries of a file, or `None` and a word about it.
fn vectors<T: DeserializeOwned>(file: &str) -> Option<Vec<T>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/mls-test-vectors");
    let folder = std::env::var_os("MLS_TEST_VECTORS").map_or(beside, PathBuf::from);
    let path = folder.join(file);
    if !path.is_file() {
        assert!(
            std::env::var_os("MLS_TEST_VECTORS").is_none(),
            "{} is not there",
            path.display()
        );
        println!("left out: {} is not there", path.display());
        return None;
    }
    let text = fs::read_to_string(&path).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

/// Whether the provider that we use has the suite.
fn has(provider: &OpenMlsRustCrypto, suite: u16) -> Option<Ciphersuite> {
    let suite = Ciphersuite::try_from(suite).ok()?;
    provider.crypto().supports(suite).ok()?;
    Some(suite)
}

#[derive(Deserialize)]
struct Hex(#[serde(with = "hex::serde")] Vec<u8>);

#[derive(Deserialize)]
struct Header {
    vlbytes_header: Hex,
    length: usize,
}

/// deserialization.json: lengths of vectors, in one way only.
#[test]
fn lengths_of_vectors() {
    let Some(all) = vectors::<Header>("deserialization.json") else {
        return;
    };
    for entry in &all {
        let mut bytes = entry.vlbytes_header.0.as_slice();
        let (length, read) = tls_codec::vlen::read_length(&mut bytes).unwrap();
        assert_eq!((length, read), (entry.length, entry.vlbytes_header.0.len()));
        assert!(bytes.is_empty());
        let mut written = Vec::new();
        tls_codec::vlen::write_length(&mut written, entry.length).unwrap();
        assert_eq!(written, entry.vlbytes_header.0);
    }
    println!("deserialization.json: {} lengths", all.len());
}

#[derive(Deserialize)]
struct Messages {
    mls_welcome: Hex,
    mls_group_info: Hex,
    mls_key_package: Hex,
    ratchet_tree: Hex,
    add_proposal: Hex,
    update_proposal: Hex,
    remove_proposal: Hex,
    pre_shared_key_proposal: Hex,
    re_init_proposal: Hex,
    external_init_proposal: Hex,
    group_context_extensions_proposal: Hex,
    public_message_application: Hex,
    public_message_proposal: Hex,
    public_message_commit: Hex,
    private_message: Hex,
}

/// messages.json: what is read is written as it was.
#[test]
fn encodings_of_messages() {
    let Some(all) = vectors::<Messages>("messages.json") else {
        return;
    };
    let mut tally = Tally::default();
    for entry in &all {
        tally.message("welcome", &entry.mls_welcome);
        tally.message("group info", &entry.mls_group_info);
        tally.message("key package", &entry.mls_key_package);
        tally.message("public application", &entry.public_message_application);
        tally.message("public proposal", &entry.public_message_proposal);
        tally.message("public commit", &entry.public_message_commit);
        tally.message("private message", &entry.private_message);
        tally.part::<RatchetTreeIn>("ratchet tree", &entry.ratchet_tree);
        tally.part::<AddProposalIn>("add", &entry.add_proposal);
        tally.part::<UpdateProposalIn>("update", &entry.update_proposal);
        tally.part::<RemoveProposal>("remove", &entry.remove_proposal);
        tally.part::<PreSharedKeyProposal>("psk", &entry.pre_shared_key_proposal);
        // Their GroupContext would hold a ratchet tree: OpenMLS refuses that where it reads it.
        let refused = ReInitProposal::tls_deserialize_exact(&entry.re_init_proposal.0);
        let reason = refused.map(|_| ()).unwrap_err().to_string();
        assert!(
            reason.contains("RatchetTree that is not allowed"),
            "{reason}"
        );
        tally.part::<ExternalInitProposal>("external init", &entry.external_init_proposal);
        let extensions = &entry.group_context_extensions_proposal;
        tally.part::<GroupContextExtensionProposalIn>("group context extensions", extensions);
    }
    println!("messages.json: {} entries, {:?}", all.len(), tally.0);
    assert!(tally.0.values().all(|count| *count == all.len()));
    assert_eq!(tally.0.len(), 14);
}

/// For each kind how many came back as they were.
#[derive(Debug, Default)]
struct Tally(BTreeMap<&'static str, usize>);

impl Tally {
    fn message(&mut self, kind: &'static str, bytes: &Hex) {
        self.part::<MlsMessageIn>(kind, bytes);
    }

    fn part<T: TlsDecode + TlsEncode>(&mut self, kind: &'static str, bytes: &Hex) {
        let value = T::tls_deserialize_exact(&bytes.0).unwrap();
        assert_eq!(value.tls_serialize_detached().unwrap(), bytes.0);
        let longer = [bytes.0.as_slice(), &[0]].concat();
        assert!(T::tls_deserialize_exact(&longer).is_err());
        *self.0.entry(kind).or_default() += 1;
    }
}

#[derive(Deserialize)]
struct Basics {
    cipher_suite: u16,
    ref_hash: RefHash,
    expand_with_label: Expand,
    derive_secret: Expand,
    derive_tree_secret: Expand,
    sign_with_label: Sign,
    encrypt_with_label: Encrypt,
}

#[derive(Deserialize)]
struct RefHash {
    label: String,
    value: Hex,
    out: Hex,
}

#[derive(Deserialize)]
struct Expand {
    secret: Hex,
    label: String,
    context: Option<Hex>,
    generation: Option<u32>,
    length: Option<u16>,
    out: Hex,
}

#[derive(Deserialize)]
struct Sign {
    r#pub: Hex,
    content: Hex,
    label: String,
    signature: Hex,
}

#[derive(Deserialize)]
struct Encrypt {
    r#priv: Hex,
    label: String,
    context: Hex,
    plaintext: Hex,
    kem_output: Hex,
    ciphertext: Hex,
}

/// RefHashInput, SignContent and EncryptContext of RFC 9420 look alike.
#[derive(TlsSerialize, TlsSize)]
struct Labelled<'a> {
    label: VLByteSlice<'a>,
    content: VLByteSlice<'a>,
}

#[derive(TlsSerialize, TlsSize)]
struct KdfLabel<'a> {
    length: u16,
    label: VLByteSlice<'a>,
    context: VLByteSlice<'a>,
}

fn labelled(label: &str, content: &[u8]) -> Vec<u8> {
    let input = Labelled {
        label: VLByteSlice(label.as_bytes()),
        content: VLByteSlice(content),
    };
    input.tls_serialize_detached().unwrap()
}

/// crypto-basics.json: the primitives, with labels put together here as RFC 9420 says.
#[test]
fn primitives_under_labels() {
    let Some(all) = vectors::<Basics>("crypto-basics.json") else {
        return;
    };
    let provider = OpenMlsRustCrypto::default();
    let crypto = provider.crypto();
    let mut suites = Vec::new();
    for entry in &all {
        let Some(suite) = has(&provider, entry.cipher_suite) else {
            continue;
        };
        let RefHash { label, value, out } = &entry.ref_hash;
        let hash = crypto.hash(suite.hash_algorithm(), &labelled(label, &value.0));
        assert_eq!(hash.unwrap(), out.0);
        for expand in [
            &entry.expand_with_label,
            &entry.derive_secret,
            &entry.derive_tree_secret,
        ] {
            assert_eq!(derived(crypto, suite, expand), expand.out.0);
        }
        let sign = &entry.sign_with_label;
        let content = labelled(&format!("MLS 1.0 {}", sign.label), &sign.content.0);
        let verify = |content: &[u8]| {
            let algorithm = suite.signature_algorithm();
            crypto.verify_signature(algorithm, content, &sign.r#pub.0, &sign.signature.0)
        };
        assert!(verify(&content).is_ok());
        assert!(verify(&content[1..]).is_err());
        let encrypt = &entry.encrypt_with_label;
        let info = labelled(&format!("MLS 1.0 {}", encrypt.label), &encrypt.context.0);
        let sealed = HpkeCiphertext {
            kem_output: encrypt.kem_output.0.clone().into(),
            ciphertext: encrypt.ciphertext.0.clone().into(),
        };
        let config = suite.hpke_config();
        let opened = crypto.hpke_open(config, &sealed, &encrypt.r#priv.0, &info, b"");
        assert_eq!(opened.unwrap(), encrypt.plaintext.0);
        suites.push(entry.cipher_suite);
    }
    assert_eq!(suites, [1, 2, 3]);
    println!("crypto-basics.json: suites {suites:?}");
}

fn derived(crypto: &impl OpenMlsCrypto, suite: Ciphersuite, expand: &Expand) -> Vec<u8> {
    let generation = expand
        .generation
        .map(|number| number.to_be_bytes().to_vec());
    let context = expand.context.as_ref().map(|context| context.0.clone());
    let context = context.or(generation).unwrap_or_default();
    let length = expand.length.map_or(suite.hash_length(), usize::from);
    let label = format!("MLS 1.0 {}", expand.label);
    let info = KdfLabel {
        length: u16::try_from(length).unwrap(),
        label: VLByteSlice(label.as_bytes()),
        context: VLByteSlice(&context),
    };
    let info = info.tls_serialize_detached().unwrap();
    let hash = suite.hash_algorithm();
    let out = crypto.hkdf_expand(hash, &expand.secret.0, &info, length);
    out.unwrap().as_slice().to_vec()
}

#[derive(Deserialize)]
struct Passive {
    cipher_suite: u16,
    external_psks: Vec<Psk>,
    key_package: Hex,
    encryption_priv: Hex,
    init_priv: Hex,
    welcome: Hex,
    ratchet_tree: Option<Hex>,
    initial_epoch_authenticator: Hex,
    epochs: Vec<Step>,
}

#[derive(Deserialize)]
struct Psk {
    psk_id: Hex,
    psk: Hex,
}

#[derive(Deserialize)]
struct Step {
    proposals: Vec<Hex>,
    commit: Hex,
    epoch_authenticator: Hex,
}

/// passive-client-welcome.json
#[test]
fn joining() {
    passive("passive-client-welcome.json", 24, 0);
}

/// passive-client-handling-commit.json
#[test]
fn following_each_kind_of_commit() {
    passive("passive-client-handling-commit.json", 39, 39);
}

/// passive-client-random.json
#[test]
fn following_a_long_history() {
    passive("passive-client-random.json", 1, 200);
}

/// Joins by each Welcome and follows what comes, as a member that never says anything.
fn passive(file: &str, expected: usize, steps_min: usize) {
    let Some(all) = vectors::<Passive>(file) else {
        return;
    };
    let (mut groups, mut steps) = (0_usize, 0_usize);
    for entry in &all {
        let provider = OpenMlsRustCrypto::default();
        let Some(suite) = has(&provider, entry.cipher_suite) else {
            continue;
        };
        let mut group = join(entry, suite, &provider);
        let authenticator = group.epoch_authenticator().as_slice().to_vec();
        assert_eq!(authenticator, entry.initial_epoch_authenticator.0);
        for step in &entry.epochs {
            for message in step.proposals.iter().chain([&step.commit]) {
                process(&mut group, &provider, message);
            }
            let authenticator = group.epoch_authenticator().as_slice().to_vec();
            assert_eq!(authenticator, step.epoch_authenticator.0);
            steps += 1;
        }
        groups += 1;
    }
    println!(
        "{file}: {groups} groups, {steps} commits, of {} entries",
        all.len()
    );
    assert_eq!(groups, expected);
    assert!(steps >= steps_min);
}

fn join(entry: &Passive, suite: Ciphersuite, provider: &OpenMlsRustCrypto) -> MlsGroup {
    for Psk { psk_id, psk } in &entry.external_psks {
        let id = PreSharedKeyId::external(psk_id.0.clone(), Vec::new());
        id.store(provider, &psk.0).unwrap();
    }
    let bundle = bundle(entry, suite, provider);
    let reference = bundle.key_package().hash_ref(provider.crypto()).unwrap();
    let storage = provider.storage();
    storage.write_key_package(&reference, &bundle).unwrap();
    let config = MlsGroupJoinConfig::builder()
        .use_ratchet_tree_extension(true)
        // It says nothing, and takes both forms.
        .wire_format_policy(MIXED_PLAINTEXT_WIRE_FORMAT_POLICY)
        .number_of_resumption_psks(16)
        .build();
    let MlsMessageBodyIn::Welcome(welcome) = read(&entry.welcome).extract() else {
        panic!("not a Welcome");
    };
    let tree = entry.ratchet_tree.as_ref();
    let tree = tree.map(|bytes| RatchetTreeIn::tls_deserialize_exact(&bytes.0).unwrap());
    let mut builder = StagedWelcome::build_from_welcome(provider, &config, welcome)
        .unwrap()
        .skip_lifetime_validation();
    if let Some(tree) = tree {
        builder = builder.with_ratchet_tree(tree);
    }
    builder.build().unwrap().into_group(provider).unwrap()
}

/// The vector's KeyPackage with its private keys: the stored form of another one, with its content exchanged.
fn bundle(entry: &Passive, suite: Ciphersuite, provider: &OpenMlsRustCrypto) -> KeyPackageBundle {
    let MlsMessageBodyIn::KeyPackage(key_package) = read(&entry.key_package).extract() else {
        panic!("not a KeyPackage");
    };
    let key_package = key_package.into_unchecked();
    let credential = CredentialWithKey {
        credential: BasicCredential::new(Vec::new()).into(),
        signature_key: Vec::new().into(),
    };
    let other = KeyPackage::builder().build(suite, provider, &Unsigned(suite), credential);
    let mut stored = serde_json::to_value(other.unwrap()).unwrap();
    stored["key_package"] = serde_json::to_value(key_package).unwrap();
    set_bytes(&mut stored["private_init_key"], &entry.init_priv.0);
    set_bytes(
        &mut stored["private_encryption_key"],
        &entry.encryption_priv.0,
    );
    serde_json::from_value(stored).unwrap()
}

/// Signs nothing: the signature of the KeyPackage that is exchanged does not matter.
struct Unsigned(Ciphersuite);

impl openmls_traits::signatures::Signer for Unsigned {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, openmls_traits::signatures::SignerError> {
        Ok(Vec::new())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        self.0.signature_algorithm()
    }
}

/// Exchanges the one string of bytes inside.
fn set_bytes(value: &mut Value, bytes: &[u8]) {
    match value {
        Value::Object(fields) if fields.len() == 1 => {
            fields
                .values_mut()
                .for_each(|field| set_bytes(field, bytes));
        }
        Value::Array(_) => *value = bytes.into(),
        other => panic!("no bytes: {other:?}"),
    }
}

fn read(bytes: &Hex) -> MlsMessageIn {
    MlsMessageIn::tls_deserialize_exact(&bytes.0).unwrap()
}

fn process(group: &mut MlsGroup, provider: &OpenMlsRustCrypto, message: &Hex) {
    let message = read(message).try_into_protocol_message().unwrap();
    let processed = group.process_message(provider, message).unwrap();
    match processed.into_content() {
        ProcessedMessageContent::ProposalMessage(proposal) => {
            let storage = provider.storage();
            group.store_pending_proposal(storage, *proposal).unwrap();
        }
        ProcessedMessageContent::StagedCommitMessage(commit) => {
            group.merge_staged_commit(provider, *commit).unwrap();
        }
        other => panic!("neither proposal nor commit: {}", kind(&other)),
    }
}

fn kind(content: &impl Debug) -> String {
    format!("{content:?}").chars().take(40).collect()
}

/// tree-math.json and key-schedule.json, by the functions that OpenMLS shows to tests.
#[cfg(feature = "internals")]
#[test]
fn inside_of_the_library() {
    use openmls::prelude_test::{KeyScheduleTestVector, kat_treemath, key_schedule};
    if let Some(all) = vectors::<kat_treemath::TreeMathTestVector>("tree-math.json") {
        let count = all.len();
        for entry in all {
            kat_treemath::run_test_vector(entry).unwrap();
        }
        println!("tree-math.json: {count} trees");
    }
    if let Some(all) = vectors::<KeyScheduleTestVector>("key-schedule.json") {
        let provider = OpenMlsRustCrypto::default();
        let suites: Vec<_> = all.iter().map(|entry| entry.cipher_suite).collect();
        for entry in all {
            if has(&provider, entry.cipher_suite).is_some() {
                key_schedule::run_test_vector(entry, &provider).unwrap();
            }
        }
        println!("key-schedule.json: those of the suites {suites:?} that we have");
    }
}
