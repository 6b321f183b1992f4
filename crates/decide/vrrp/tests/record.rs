//! A record says the same again, over JSON and from the middle of a life, and tells where it does not.

mod common;

use std::time::Duration;

use haechi_model::Moment;
use haechi_vrrp::record::{GroupRecord, RouterRecord, replay};
use haechi_vrrp::{Effect, Group, Input, Output, Router};

use common::{at, failed, ip, lower, ms, paused, said, settings, track};

/// A life with a bit of everything.
fn inputs() -> Vec<(u64, Input)> {
    vec![
        (0, Input::Start),
        (361, Input::Timer),
        (362, Input::Claimed),
        (470, Input::Timer),
        (500, said(9, 50)),
        (560, track("disk", lower(20))),
        (600, Input::Yield { to: Some(ip(9)) }),
        (660, said(9, 50)),
        (700, said(9, 0)),
        (770, Input::Timer),
        (771, failed()),
        (1_900, Input::Timer),
        (1_901, Input::Claimed),
        (1_950, Input::Resumed),
        (2_000, Input::Configure(Box::new(settings(2, 120)))),
        (2_050, paused(900)),
        (2_100, track("disk", Effect::Fault)),
        (2_200, Input::LinkDown),
        (2_300, Input::Stop),
    ]
}

fn recorded() -> (Router, RouterRecord) {
    let mut router = Router::new(settings(2, 100), at(1_000));
    let mut record = RouterRecord::new(&router);
    for (millis, input) in inputs() {
        let mut out = Vec::new();
        let now = at(1_000 + millis);
        router.handle(now, &input, &mut out);
        record.push(now, input, &out);
    }
    (router, record)
}

#[test]
fn a_record_is_played_again_to_the_same_end() {
    let (router, record) = recorded();
    let told: usize = record.entries.iter().map(|entry| entry.outputs.len()).sum();
    assert!(told > 25, "a record of nothing proves nothing: {told}");
    let json = serde_json::to_string(&record).unwrap();
    let read: RouterRecord = serde_json::from_str(&json).unwrap();
    assert_eq!(read, record);
    assert_eq!(replay(&read), Ok(router));
}

#[test]
fn a_record_may_begin_anywhere() {
    let (router, whole) = recorded();
    let mut machine = whole.start.clone();
    for at in 0..whole.entries.len() {
        let mut tail = RouterRecord::new(&machine);
        tail.entries = whole.entries[at..].to_vec();
        let json = serde_json::to_string(&tail).unwrap();
        assert_eq!(replay(&serde_json::from_str::<RouterRecord>(&json).unwrap()), Ok(router.clone()));
        let entry = &whole.entries[at];
        machine.handle(entry.at, &entry.input, &mut Vec::new());
    }
}

#[test]
fn the_first_difference_is_told() {
    let (_, mut record) = recorded();
    record.entries[4].outputs[0] = Output::Advertise { priority: 99 };
    record.entries[7].outputs.clear();
    let difference = replay(&record).unwrap_err();
    assert_eq!(difference.index, 4);
    assert_eq!(difference.recorded, record.entries[4]);
    assert_eq!(difference.found[0], Output::Advertise { priority: 100 });
    let text = difference.to_string();
    assert!(text.starts_with("entry 4 at 1500000000 ns: Advertisement"), "{text}");
    assert!(text.contains("\nrecorded: [Advertise { priority: 99 }"), "{text}");

    let (_, mut record) = recorded();
    record.entries.remove(1);
    assert_eq!(replay(&record).unwrap_err().index, 1, "what is missing is missed");
}

#[test]
fn a_group_is_recorded_as_well() {
    let mut now = at(1_000);
    let mut group = Group::new([settings(2, 100), settings(2, 90)], now);
    let mut record = GroupRecord::new(&group);
    let feed = |group: &mut Group, record: &mut GroupRecord, now: Moment, member, input: Input| {
        let mut out = Vec::new();
        group.handle(now, member, &input, &mut out);
        record.push(now, (member, input), &out);
    };
    feed(&mut group, &mut record, now, 0, Input::Start);
    for _ in 0..6 {
        now = now.max(group.deadline().unwrap());
        feed(&mut group, &mut record, now, 0, Input::Timer);
    }
    feed(&mut group, &mut record, now, 1, Input::Claimed);
    feed(&mut group, &mut record, now, 1, said(9, 200));
    assert_eq!(group.deadline().map(|due| due.since(now) > Duration::ZERO), Some(true));
    let json = serde_json::to_string(&record).unwrap();
    assert_eq!(replay(&serde_json::from_str::<GroupRecord>(&json).unwrap()), Ok(group));
    assert!(now > at(1_000) + ms(300));
}
