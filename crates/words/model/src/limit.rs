//! What a client may cost a listener, by name: each limit is counted when it bites.

macro_rules! limits {
    ($( $id:ident $name:literal $text:literal; )*) => {
        /// A limit that bit.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Limit {
            $( #[doc = $text] $id, )*
        }

        impl Limit {
            /// All of them, for tables and metrics.
            pub const ALL: &'static [Self] = &[$( Self::$id, )*];

            /// Short stable name for metrics and logs.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$id => $name, )* }
            }

            /// What happened, for a log line.
            pub const fn text(self) -> &'static str {
                match self { $( Self::$id => $text, )* }
            }
        }
    };
}

limits! {
    RequestLine "requestLine" "request line over its limit";
    Head "head" "request head over its limit";
    Fields "fields" "more header fields than allowed";
    HeaderTimeout "headerTimeout" "request head not complete in time";
    BodyTimeout "bodyTimeout" "pause too long in a request body";
    Streams "streams" "too many streams open";
    List "list" "head too large";
    ListWork "listWork" "field block decodes to far more than is allowed";
    Block "block" "field block too large";
    Continuations "continuations" "too many CONTINUATION frames";
    Resets "resets" "too many streams reset by the client";
    EarlyResets "earlyResets" "more than half of all streams reset by the client";
    OwnResets "ownResets" "too many streams that had to be reset";
    Refused "refused" "too many streams beyond the allowed number";
    Settings "settings" "too many SETTINGS frames";
    SettingsEntries "settingsEntries" "too many entries in a SETTINGS frame";
    Pings "pings" "too many PING frames";
    Priorities "priorities" "too many PRIORITY frames";
    WindowUpdates "windowUpdates" "too many WINDOW_UPDATE frames";
    EmptyFrames "emptyFrames" "too many empty frames";
    UnknownFrames "unknownFrames" "too many frames of unknown types";
    TinyWindows "tinyWindows" "windows opened by a few bytes too often";
    SettingsTimeout "settingsTimeout" "settings not acknowledged in time";
    BlockTimeout "blockTimeout" "frame or field block not complete in time";
    PingTimeout "pingTimeout" "PING not answered in time";
    Stall "stall" "window not opened in time";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_in_one_style() {
        for (at, limit) in Limit::ALL.iter().enumerate() {
            assert!(limit.name().chars().all(|c| c.is_ascii_alphabetic()), "{}", limit.name());
            assert!(Limit::ALL[..at].iter().all(|other| other.name() != limit.name()));
        }
    }
}
