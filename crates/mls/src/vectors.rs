//! The examples of `docs/protocol.md`, sections 3 and 5, against the code.

use crate::commit::{BranchKey, Class};
use crate::order::Body;
use crate::{
    AccountId, AccountKey, Conversation, Device, DeviceId, Epoch, GroupData, GroupId, JoinPolicy,
    Order, OrderKind, Report, StateId, Vote, safety_number,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// protocol §3.2.1, §3.2.3, §3.2.6, §5.1.2, §5.2.1, §5.4.1, §5.5.1, §5.7.1, §5.7.2
#[test]
fn derived_values_are_those_of_the_protocol_document() {
    let account = AccountKey::from_bytes(&[1; 32]);
    let device = Device::with_id(&account, DeviceId::from_bytes([3; 16]), &[2; 32]);
    let credential = device.credential().credential;
    let other = AccountKey::from_bytes(&[4; 32]).id();
    let data = GroupData::new(
        AccountId::from_bytes([1; 32]),
        "소리".to_owned(),
        Conversation::Group,
    );
    let chosen = GroupData {
        join_policy: JoinPolicy::Members,
        disappearing_seconds: Some(86_400),
        file_limit: Some(1_048_576),
        ..data.clone()
    };
    let state = StateId::of(&GroupId::from_bytes([1; 16]), Epoch(5), &[2; 32]);
    let author = AccountId::from_bytes([3; 32]);
    let key = BranchKey::new(Class::Update, 0, &state, &author, state);
    let order = Order::any(
        &device,
        Body {
            kind: OrderKind::Remove,
            group: GroupId::from_bytes([1; 16]),
            target: author,
            issuer: account.id(),
            issuer_device: device.id(),
            base: state,
            base_epoch: Epoch(5),
            nonce: [5; 16],
        },
    );
    let group = GroupId::from_bytes([1; 16]);
    let child = StateId::from_bytes([6; 32]);
    let vote = Vote::any(&device, group, (state, child));
    let report = Report::any(&device, group, child);
    let examples = [
        ("account", account.id().to_string()),
        ("credential", hex(credential.serialized_content())),
        ("safety", safety_number(&account.id(), &other)),
        ("group_data", hex(&data.encode().unwrap())),
        ("group_data 2", hex(&chosen.encode().unwrap())),
        ("state", state.to_string()),
        ("tie", hex(&key.tie)),
        ("order", hex(&order.encode().unwrap())),
        ("order id", hex(&order.id())),
        ("vote", hex(&vote.encode().unwrap())),
        ("report", hex(&report.encode().unwrap())),
    ];
    // Line breaks of the document are those of a page.
    let page = |text: &str| text.split_whitespace().collect::<String>();
    let document = page(include_str!("../../../docs/protocol.md"));
    let missing: Vec<_> = examples
        .iter()
        .filter(|(_, value)| !document.contains(&page(value)))
        .collect();
    assert!(missing.is_empty(), "not in protocol.md: {missing:#?}");
}
