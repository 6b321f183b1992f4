//! The router against RFC 9568 §6.4 as it is written, with one timer, one peer, and nothing of ours: no
//! delays, no faults, no pauses.
//!
//! Three takeovers end a case (a fourth would be damped), and an answer is at most 10 ms late.

mod common;

use std::time::Duration;

use haechi_model::Moment;
use haechi_vrrp::packet::Advertisement;
use haechi_vrrp::{Input, Output, Router, Settings, State};
use proptest::prelude::*;

use common::{advertisement, at, ip, ms, settings};

const ANSWER: Duration = Duration::from_millis(10);

/// RFC 9568 §6.4, in its words.
struct Rfc {
    state: State,
    priority: u32,
    preempt_mode: bool,
    local_address: u8,
    advertisement_interval: Duration,
    active_adver_interval: Duration,
    active_down_timer: Moment,
    adver_timer: Moment,
    /// Ours: an advertisement out of turn waits until 10 ms after the last.
    sent: Moment,
    /// Ours: that it stops may be said again without effect.
    stopping: bool,
    takeovers: u32,
}

impl Rfc {
    fn skew_time(&self) -> Duration {
        self.active_adver_interval * (256 - self.priority) / 256
    }

    fn active_down_interval(&self) -> Duration {
        3 * self.active_adver_interval + self.skew_time()
    }

    fn send(&mut self, now: Moment, sent: &mut Vec<u32>) {
        sent.push(self.priority);
        self.sent = now;
        self.adver_timer = now + self.advertisement_interval;
    }

    fn send_out_of_turn(&mut self, now: Moment, sent: &mut Vec<u32>) {
        if now.since(self.sent) >= ANSWER {
            self.send(now, sent);
        } else {
            self.adver_timer = self.adver_timer.min(self.sent + ANSWER);
        }
    }

    fn startup(&mut self, now: Moment) {
        if self.state == State::Initialize {
            self.active_adver_interval = self.advertisement_interval;
            self.active_down_timer = now + self.active_down_interval();
            self.stopping = false;
            self.state = State::Backup;
        }
    }

    fn shutdown(&mut self, sent: &mut Vec<u32>) {
        if self.state == State::Active {
            sent.push(0);
        }
        self.state = State::Initialize;
    }

    fn timer(&mut self, now: Moment, sent: &mut Vec<u32>) {
        match self.state {
            State::Backup if self.active_down_timer <= now => {
                self.send(now, sent);
                self.state = State::Active;
                self.takeovers += 1;
            }
            State::Active if self.adver_timer <= now => self.send(now, sent),
            _ => {}
        }
    }

    fn hear(&mut self, now: Moment, from: u8, said: &Advertisement, sent: &mut Vec<u32>) {
        let priority = u32::from(said.priority);
        match self.state {
            State::Backup if priority == 0 => {
                if !self.stopping {
                    self.active_down_timer = now + self.skew_time();
                }
                self.stopping = true;
            }
            State::Backup => {
                if !self.preempt_mode || priority >= self.priority {
                    self.active_adver_interval = said.interval;
                    self.active_down_timer = now + self.active_down_interval();
                }
                self.stopping = false;
            }
            State::Active if priority == 0 => self.send_out_of_turn(now, sent),
            State::Active => {
                if priority > self.priority || priority == self.priority && from > self.local_address {
                    self.active_adver_interval = said.interval;
                    self.active_down_timer = now + self.active_down_interval();
                    self.stopping = false;
                    self.state = State::Backup;
                } else {
                    self.send_out_of_turn(now, sent);
                }
            }
            State::Initialize | State::Yielding => {}
        }
    }

    fn deadline(&self) -> Option<Moment> {
        match self.state {
            State::Backup => Some(self.active_down_timer),
            State::Active => Some(self.adver_timer),
            State::Initialize | State::Yielding => None,
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Start,
    Stop,
    Said(u8, Duration),
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let priority = prop_oneof![3 => 90_u8..=110, 1 => Just(0), 1 => 1_u8..=254];
    let interval = prop::sample::select(vec![ms(50), ms(100), ms(200)]);
    let step = prop_oneof![
        1 => Just(Step::Start),
        1 => Just(Step::Stop),
        14 => (priority, interval).prop_map(|(priority, interval)| Step::Said(priority, interval)),
    ];
    prop::collection::vec((0_u64..250_000, step), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_rfc_9568_does_we_do(
        own in 95_u8..=105,
        peer in prop::sample::select(vec![1_u8, 9]),
        preempt in any::<bool>(),
        steps in steps(),
    ) {
        let mut now = at(1_000);
        let mut router = Router::new(Settings { preempt, ..settings(2, own) }, now);
        let mut model = Rfc {
            state: State::Initialize,
            priority: own.into(),
            preempt_mode: preempt,
            local_address: 2,
            advertisement_interval: ms(100),
            active_adver_interval: ms(100),
            active_down_timer: now,
            adver_timer: now,
            sent: Moment::ORIGIN,
            stopping: false,
            takeovers: 0,
        };
        router.handle(now, Input::Start, &mut Vec::new());
        model.startup(now);
        for (micros, step) in steps {
            let then = now + Duration::from_micros(micros);
            let mut out = Vec::new();
            let mut sent = Vec::new();
            // The timers on the way, each by its own.
            while let Some(due) = model.deadline().filter(|due| *due <= then) {
                model.timer(due, &mut sent);
                while let Some(due) = router.deadline().filter(|ours| *ours <= due) {
                    router.handle(due, Input::Timer, &mut out);
                }
                prop_assert_eq!(router.state(), model.state, "at {:?}", due);
            }
            now = then;
            match &step {
                Step::Start => {
                    router.handle(now, Input::Start, &mut out);
                    model.startup(now);
                }
                Step::Stop => {
                    router.handle(now, Input::Stop, &mut out);
                    model.shutdown(&mut sent);
                }
                Step::Said(priority, interval) => {
                    let mut said = advertisement(*priority);
                    said.interval = *interval;
                    model.hear(now, peer, &said, &mut sent);
                    let heard = Input::Advertisement { source: ip(peer), advertisement: said };
                    router.handle(now, heard, &mut out);
                }
            }
            prop_assert_eq!(router.state(), model.state, "after {:?}", step);
            let says: Vec<u32> = out.iter().filter_map(|output| match output {
                Output::Advertise { priority } => Some((*priority).into()),
                _ => None,
            }).collect();
            prop_assert_eq!(says, sent, "after {:?}", step);
            if model.takeovers == 3 {
                break;
            }
        }
    }
}
