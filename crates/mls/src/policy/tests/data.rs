//! Class 1: group data and roles.

use super::*;

/// protocol §5.1.2
#[test]
fn group_data_must_be_ours_and_well_formed() {
    let people = group_of(2);
    let owner = &people[0];
    let required = |types: &[ExtensionType]| {
        Extension::RequiredCapabilities(RequiredCapabilitiesExtension::new(types, &[], &[]))
    };
    let ours = ExtensionType::Unknown(GROUP_DATA_EXTENSION);
    let data = owner.snapshot().data().encode().unwrap();
    let unknown =
        |bytes: Vec<u8>| Extension::Unknown(GROUP_DATA_EXTENSION, UnknownExtension(bytes));
    let set = |extensions: Vec<Extension>| {
        let extensions: Extensions<GroupContext> = Extensions::from_vec(extensions).unwrap();
        craft(owner, |builder| {
            builder
                .propose_group_context_extensions(extensions)
                .unwrap()
        })
    };
    let trailing = [data, vec![0]].concat();
    let commits = [
        set(vec![required(&[ours])]),
        set(vec![required(&[ours]), unknown(Vec::new())]),
        set(vec![required(&[ours]), unknown(vec![0xFF; 100])]),
        set(vec![required(&[ours]), unknown(trailing)]),
    ];
    for commit in commits {
        assert_eq!(
            verdict(&people[1], &commit),
            Err(Error::Invalid(Invalid::GroupData))
        );
    }
    assert_refused(&people[1], &craft_data(owner, |_| {}), Refusal::GroupData);
    let spend = craft_data(owner, |data| data.spent_orders.push((Epoch(0), [1; 32])));
    assert_refused(&people[1], &spend, Refusal::GroupData);
}

/// protocol §5.3.3, §5.3.4
#[test]
fn only_the_owner_appoints() {
    let people = ranked(3);
    let admin = &people[1];
    let third = people[2].id();
    assert_refused(
        &people[0],
        &craft_data(admin, |data| data.admins.push(third)),
        Refusal::NotAllowed,
    );
    let crown_self = craft_data(admin, |data| {
        data.admins = vec![data.owner];
        data.owner = admin.id();
    });
    assert_refused(&people[0], &crown_self, Refusal::NotAllowed);
    let appoint = craft_data(&people[0], |data| data.admins.push(third));
    assert_eq!(verdict(&people[2], &appoint), Ok(Class::GroupData));
    let step_down = craft_data(admin, |data| data.admins.clear());
    assert_eq!(verdict(&people[2], &step_down), Ok(Class::GroupData));
}

/// protocol §5.3.5
#[test]
fn the_role_table_moves_one_step_at_a_time() {
    let mut people = ranked(4);
    let account = people[2].id();
    commit_by(
        &mut people,
        0,
        &Operation::SetRole {
            account,
            role: Role::Admin,
        },
    );
    let owner = &people[0];
    let stranger = person(9).id();
    let fourth = people[3].id();
    let refuse = |change: fn(&mut GroupData, AccountId), account| {
        assert_refused(
            &people[3],
            &craft_data(owner, |data| change(data, account)),
            Refusal::GroupData,
        );
    };
    refuse(|data, _| data.admins.reverse(), fourth);
    refuse(|data, _| data.admins.clear(), fourth);
    refuse(|data, account| data.admins.push(account), stranger);
    refuse(|data, account| data.admins.insert(0, account), fourth);
    refuse(|data, account| data.admins[0] = account, fourth);
    refuse(|data, account| data.owner = account, fourth);
    refuse(|data, account| data.owner = account, stranger);
}
