//! What the verbs ask of the running lab, and what it answers: one line of JSON each way.

use serde::{Deserialize, Serialize};

use crate::status::LabStatus;

/// Longest line in bytes, either way but for the status: names and numbers.
pub(crate) const MAX_LINE: u64 = 4 << 10;

/// One wish.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "camelCase", deny_unknown_fields)]
pub enum Command {
    /// End an endpoint's process at once, as a crash does. A zone's name means all endpoints in it.
    Kill {
        /// Endpoint or zone.
        name: String,
    },
    /// Stop an endpoint's process (SIGSTOP): its port still takes connections, but nothing answers.
    Pause {
        /// Endpoint or zone.
        name: String,
    },
    /// Let a paused process go on.
    Resume {
        /// Endpoint or zone.
        name: String,
    },
    /// Start a killed endpoint at its old address; resumes a paused one.
    Start {
        /// Endpoint or zone.
        name: String,
    },
    /// Change who gets the next request.
    Algorithm {
        /// As in the config.
        name: String,
    },
    /// Send requests to the node.
    Load {
        /// Per second; 0 stops it. At most [`MAX_RATE`](crate::MAX_RATE).
        rate: u32,
    },
    /// Say everything.
    Status,
    /// End the lab.
    Stop,
}

/// What became of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    /// Whether it was done.
    pub ok: bool,
    /// What was done, or why not and what to do instead.
    pub text: String,
    /// For [`Command::Status`].
    pub status: Option<Box<LabStatus>>,
}

impl Reply {
    pub(crate) fn done(text: impl Into<String>) -> Self {
        Self { ok: true, text: text.into(), status: None }
    }

    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self { ok: false, text: text.into(), status: None }
    }

    pub(crate) fn status(status: LabStatus) -> Self {
        Self { ok: true, text: String::new(), status: Some(Box::new(status)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_read_as_they_are_written() {
        for (command, json) in [
            (Command::Kill { name: "web-2".into() }, r#"{"verb":"kill","name":"web-2"}"#),
            (Command::Load { rate: 50 }, r#"{"verb":"load","rate":50}"#),
            (Command::Status, r#"{"verb":"status"}"#),
        ] {
            assert_eq!(serde_json::to_string(&command).unwrap(), json);
            assert_eq!(serde_json::from_str::<Command>(json).unwrap(), command);
        }
        for bad in
            ["{}", r#"{"verb":"explode"}"#, r#"{"verb":"kill"}"#, r#"{"verb":"load","rate":-1}"#, "[]", "x"]
        {
            assert!(serde_json::from_str::<Command>(bad).is_err(), "{bad}");
        }
    }
}
