//! The one registry of diagnostic codes. A number is given once and never again, so that scripts, bookmarks
//! and search engines can rely on it. 01 text, 02 shape, 03 values, 04 the file as a whole, 05 warnings,
//! 06 files that it names.

use std::fmt;

use serde::{Serialize, Serializer};

/// Whether a diagnostic refuses the config.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// The config is refused.
    Error,
    /// The config is taken; something in it has no effect or is probably not what was meant.
    Warning,
}

macro_rules! codes {
    ($( $kind:ident, $severity:ident, $number:literal, $title:literal, $text:literal; )*) => {
        /// What a diagnostic is about.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Code {
            $( #[doc = concat!($number, ": ", $title, ".")] $kind, )*
        }

        impl Code {
            /// All codes in the order of their numbers.
            pub const ALL: &'static [Self] = &[$( Self::$kind, )*];

            /// Its stable number, as `HCH0201`.
            pub const fn number(self) -> &'static str {
                match self { $( Self::$kind => $number, )* }
            }

            /// Whether it refuses the config.
            pub const fn severity(self) -> Severity {
                match self { $( Self::$kind => Severity::$severity, )* }
            }

            /// A few words, for lists.
            pub const fn title(self) -> &'static str {
                match self { $( Self::$kind => $title, )* }
            }

            /// Why this is refused or doubted, and what to do: the text of `haechi explain`.
            pub const fn explanation(self) -> &'static str {
                match self { $( Self::$kind => $text, )* }
            }
        }
    };
}

impl Code {
    /// The code with this number, in any case: `HCH0201`, `hch0201`.
    pub fn parse(number: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.number().eq_ignore_ascii_case(number))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.number())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.number())
    }
}

codes! {
    Syntax, Error, "HCH0101", "not valid YAML",
        "The text breaks a rule of YAML 1.2, so nothing after this place can be read with certainty. Frequent causes: a tab \
         used for indentation, a bracket or quote that is not closed, a key whose colon is not followed by a space, lines of \
         one map that are not indented alike. No other check runs until the text can be read.";
    Empty, Error, "HCH0102", "the file is empty",
        "There is nothing but spaces and comments in the file. An empty config is refused because it is nearly always a \
         failed write or a wrong path, and taking it would close every listener.";
    TooLarge, Error, "HCH0103", "the file is too large",
        "Files over 16 MiB are not read. 10,000 routes and 10,000 endpoints take about 2 MiB, so a larger file is probably \
         not a config.";
    TooMuch, Error, "HCH0104", "the file stands for too much",
        "A file may stand for at most 1,000,000 values, counting each time that an alias is used, and may be nested 32 levels \
         deep. A few lines of aliases of aliases could otherwise fill all memory (the \"billion laughs\").";
    Alias, Error, "HCH0105", "an alias without its anchor",
        "`*name` repeats the value that `&name` marked earlier in the file. Either the anchor is missing or comes later, or \
         the alias stands inside of the value that it refers to. A text that starts with `*`, such as the host \
         `*.example.com`, needs quotes: \"*.example.com\".";
    Merge, Error, "HCH0106", "a merge key without a map",
        "`<<: *name` takes over the keys of another map. Its value must be a map, an alias of a map, or a list of those. Keys \
         that are written out win over merged ones.";
    Documents, Error, "HCH0107", "more than one document",
        "`---` starts a second YAML document. A config is one document; later ones are not read, so this is refused rather \
         than ignored.";
    Tag, Error, "HCH0108", "a tag that means nothing",
        "`!name` in front of a value is a YAML tag. haechi knows only the core ones (`!!str`, `!!int`, `!!map` …); it has no \
         includes, variables or environment lookups.";

    UnknownKey, Error, "HCH0201", "an unknown key",
        "The key does not exist at this place. Unknown keys are refused, because a mistyped `tiemout` that is ignored leaves \
         the default in force without a word. The top level takes keys that start with `x-`, for anchors and notes of your \
         own. `haechi schema` prints all keys.";
    MissingKey, Error, "HCH0202", "a key is missing",
        "This key has no default and must be given.";
    DuplicateKey, Error, "HCH0203", "a key is given twice",
        "Names are identity: two entries of the same name would replace each other. This holds for settings, for listeners, \
         pools and endpoints, and for header names, whose case does not matter.";
    WrongType, Error, "HCH0204", "the wrong kind of value",
        "The value has another shape than the key takes, for example a list where one text is needed. A key without a value \
         is also refused: remove it, or write `{}` for a section with all defaults.";
    NotHere, Error, "HCH0205", "a key that does not apply here",
        "The key exists, but not together with what else is set: `routes` belong to `http`, `https` and `tls` listeners, `pool` to \
         `tcp` and `udp` ones, `maxFlows` to `udp` ones, `command` to `exec` checks, `keys` to `transport: udp`, and so on. It is refused because it would have no effect.";

    Name, Error, "HCH0301", "not a usable name",
        "Names of nodes, zones, listeners, pools, endpoints, virtual routers, peers, programs and groups have 1 to 63 letters \
         (a to z), digits, `-`, `_` and `.`, and start with a letter, a digit or `_`. They stand in metrics, URLs and commands \
         such as `haechi endpoint drain web/web-1`, where anything else would need quoting.";
    Duration, Error, "HCH0302", "not a duration",
        "Durations are whole numbers with a unit, largest first: `250ms`, `10s`, `5m`, `1h30m`, `1d`. Units are d, h, m, s, \
         ms, us and ns. A number alone is refused, because half of the field means seconds by it and half milliseconds.";
    Size, Error, "HCH0303", "not a size",
        "Sizes are whole numbers with a unit: `512B`, `8KiB`, `1MiB`. 1 KiB is 1024 bytes.";
    Number, Error, "HCH0304", "not a number in range",
        "The value must be a whole number in decimal digits, without quotes, within the range that the message names.";
    Percent, Error, "HCH0305", "not a percentage",
        "Percentages are whole numbers from 0 to 100, with or without `%`: `50` or `50%`.";
    Word, Error, "HCH0306", "not one of the words",
        "The key takes one of a fixed set of words, which the message lists. Case counts.";
    Address, Error, "HCH0307", "not an address",
        "Addresses are an IP address and a port: `10.0.0.1:80`, `[2001:db8::1]:80`. `bind` also takes `:80`, which means \
         every IPv4 and IPv6 address of this host. `source` and `peers` of a virtual router have a port with `transport: udp` \
         and none without.";
    HostName, Error, "HCH0308", "a host name where an address is needed",
        "This version does not resolve names: a name that stands for several addresses, or changes, would make \"the \
         endpoint\" several things under one health. Write one endpoint for each IP address; `getent ahosts NAME` lists them.";
    Host, Error, "HCH0309", "not a host",
        "A route's host is a DNS name without port, such as `shop.example.com`, or `*.example.com` for exactly one label in \
         front. Labels have 1 to 63 letters, digits, `-` and `_`, and do not start or end with `-`. Other scripts are written \
         as browsers send them (`xn--…`). Leave the key out to take every host.";
    Path, Error, "HCH0310", "not a path",
        "A path starts with `/` and is compared with the bytes that a client sends, so it holds only what may stand in the \
         path of a URL (RFC 3986 section 3.3): no `?`, `#`, spaces or `.` and `..` elements, also not as `%2e`. A plain path \
         is a prefix by whole elements: `/api` and `/api/` take `/api` and `/api/x`, not `/apix`. There are no patterns.";
    Method, Error, "HCH0311", "not a method",
        "Methods are tokens and case counts (RFC 9110 section 9.1): `GET`, not `get`. CONNECT and TRACE are never forwarded.";
    HeaderName, Error, "HCH0312", "not a header name",
        "Header names are tokens (RFC 9110 section 5.1): letters, digits and !#$%&'*+-.^_`|~. The colon is not part of it. \
         The same holds for names of cookies (RFC 6265 section 4.1.1), in which case counts.";
    Text, Error, "HCH0313", "not a usable text",
        "The text is empty, too long (4096 bytes), or holds characters that this key can't take: control characters, or \
         spaces at the ends of a header's value, which HTTP removes before anyone compares it. After `hex:` it takes pairs \
         of hexadecimal digits.";
    Status, Error, "HCH0314", "not a status code",
        "Status codes are numbers from 100 to 599 or ranges of them: `200`, `200-299`.";
    NotYet, Error, "HCH0315", "not yet supported",
        "The key or word has a place in the format, but this version does not do it yet. It is refused rather than ignored, so \
         that nobody relies on it by mistake.";

    Interface, Error, "HCH0316", "not an interface's name",
        "Linux knows interfaces by 1 to 15 bytes without spaces, `/` and `:`. What `ip link` shows after an `@` is not part of \
         the name. Whether the interface exists is known only to the machine that runs the config.";
    VirtualAddress, Error, "HCH0317", "not a virtual address",
        "A virtual address is an IP address with the prefix length of its network: `10.0.0.100/24`, `2001:db8::100/64`. It \
         belongs to one host at a time, so it is no multicast, network or broadcast address.";
    Secret, Error, "HCH0318", "not a secret key",
        "A keys file maps ids from 0 to 255 to secrets, and `sign` names the one that signs: `sign: 1`, `keys: { 1: … }`. A \
         secret is 16 to 64 bytes in hexadecimal digits, as `openssl rand -hex 32` prints it: below 16 bytes it could be \
         guessed, and over 64 SHA-256 would shorten it (RFC 2104 section 3). Messages never show it.";
    Network, Error, "HCH0319", "not a network",
        "A network is an IP address with a prefix length, whose other bits are zero: `10.0.0.0/8`, `2001:db8::/32`. An address \
         alone is one host. Names are not resolved.";
    FixedHeader, Error, "HCH0320", "a header that filters can't change",
        "Fields that say where a message ends (`Content-Length`, `Transfer-Encoding`) or that are for one connection \
         (`Connection`, `Upgrade`, …) are written by whoever sends the message; if a filter could change them, two readers \
         could see two different requests. `Host` is changed by `urlRewrite`. `X-Forwarded-For` and `X-Forwarded-Proto` say \
         who asked, and haechi writes them itself.";
    MediaType, Error, "HCH0321", "not a media type",
        "A media type is a type and a subtype (RFC 9110 section 8.3.1): `text/html`. `text/*` is every subtype, `*/*` every \
         type. Case does not count, and neither do parameters such as `charset`, so they are not written.";

    UnknownPool, Error, "HCH0401", "no such pool",
        "The route or listener names a pool that is not in `pools`.";
    Clash, Error, "HCH0402", "an address is used twice",
        "Two listeners, or a listener and the admin API, would stand on the same address and port, and the kernel would give \
         each connection to either. `udp` has ports of its own. A listener on one address beside one on all addresses (`:80`) is fine: the exact address \
         wins. The admin API shares its port with nobody.";
    NoEndpoints, Error, "HCH0403", "a pool without endpoints",
        "The pool could only answer 503. To take a pool out of service, disable its endpoints (`admin: disabled`) or remove \
         the routes that lead to it.";
    NoRoutes, Error, "HCH0404", "an http listener without routes",
        "The listener could only answer 404. `routes: [{ pool: NAME }]` sends everything to one pool.";
    Loopback, Error, "HCH0405", "the admin API must stay on loopback",
        "Reading over TCP needs no credentials in this version, and status and metrics name every endpoint. Listen on \
         127.0.0.1 or [::1] and reach it through SSH or a proxy that authenticates.";
    Contradiction, Error, "HCH0406", "two values contradict each other",
        "Both values are fine alone but not together: a probe's timeout must be shorter than its interval, or probes would \
         overlap; a maximum can't be below what it limits; a virtual router's source can't be an address that moves away.";
    SameId, Error, "HCH0407", "two virtual routers with one id",
        "Two virtual routers on one interface (or with `transport: udp` at one `source`) have the same id, so each would take \
         the other's advertisements for its own. Ids count for themselves in IPv4 and in IPv6, but not over udp.";
    Families, Error, "HCH0408", "IPv4 and IPv6 in one virtual router",
        "An advertisement carries addresses of one family, and travels in that family (RFC 9568 section 5.2.9). Write two \
         virtual routers, and put both in one `group` if they must move together.";
    SameVirtualAddress, Error, "HCH0409", "a virtual address is given twice",
        "An address moves with one virtual router. In two, both could be active on different nodes, and both nodes would \
         answer for the address. Only a link-local IPv6 address may stand on several interfaces.";
    TooManyAddresses, Error, "HCH0410", "too many virtual addresses",
        "An advertisement counts its addresses with 8 bits (RFC 9568 section 5.2.5), so a virtual router has at most 255. \
         Write a second one.";
    Spread, Error, "HCH0411", "a spread that does not work out",
        "`spread` makes a virtual router of each address, with ids from `firstId` on, and gives each node a priority by its \
         place in the sorted list of `nodes`: address i is first at node i, next at node i + 1, and so on. So this node must \
         be in the list, no node twice, the ids must end at 255, and the names (`edge-1`, `edge-2`, …) must be free. \
         Priorities go down from 200 in tens, which is enough for 20 nodes.";

    RedirectLoop, Error, "HCH0412", "a redirect to itself",
        "A client that follows the redirect asks the same again, until it gives up. The new URL must differ in its scheme, \
         host, port or path.";

    UnknownIssuer, Error, "HCH0414", "no such issuer",
        "The certificate names an issuer that is not in `acme`, so nobody could be asked for it.";

    NoListener, Warning, "HCH0501", "nothing is served",
        "The config has no listener, so no connection is accepted.";
    UnusedPool, Warning, "HCH0502", "a pool that nobody uses",
        "No listener or route leads to the pool. It is still health-checked.";
    WeightIdle, Warning, "HCH0503", "weights without effect",
        "`roundRobin` gives each endpoint its turn whatever its weight (but 0). `weightedRoundRobin` keeps the order fair and \
         follows the weights.";
    TierIdle, Warning, "HCH0504", "a tier without effect",
        "Endpoints of a higher tier serve only when no endpoint of a lower one can. If all stand in the same tier, the number \
         changes nothing.";
    SameRoute, Warning, "HCH0505", "a route that never matches",
        "An earlier route of the same listener has the same host, path, methods and headers, and takes all its requests.";
    SameAddress, Warning, "HCH0506", "two endpoints at one address",
        "Two endpoints of the pool have the same address, so the process behind it gets two shares, and one failure is \
         counted as two.";
    NothingServes, Warning, "HCH0507", "no endpoint takes work",
        "Every endpoint of the pool is draining, disabled or of weight 0, so it answers 503. The same is said of a route all \
         of whose `pools` have weight 0.";
    Idle, Warning, "HCH0508", "a setting without effect",
        "The setting is valid but nothing reads it, because of what else is set; the message says what.";
    NoLinkLocal, Warning, "HCH0509", "no link-local address first",
        "The first address of an IPv6 virtual router must be a link-local one (RFC 9568 section 5.2.9): hosts learn it as \
         their gateway. haechi does without it, but a strict peer may not (keepalived with `vrrp_strict` wants it). Put one \
         such as `fe80::100/64` in front, the same on all nodes.";
    NothingListens, Warning, "HCH0510", "a virtual address that nothing listens on",
        "No listener stands on the address or on all addresses of its family, so whoever connects to it is refused. That may \
         be meant, if another program serves there.";
    LoneGroup, Warning, "HCH0511", "a group of one",
        "Virtual routers of one group move together; a group with one member changes nothing. Probably the other member's \
         group is spelled in another way.";
    ExpiresSoon, Warning, "HCH0512", "a certificate expires soon",
        "Less than two weeks are left of the certificate's time. Programs that renew certificates begin when a month is left, \
         so this one was probably forgotten. Files are read again when they change; no reload is needed.";

    Unreadable, Error, "HCH0601", "a file can't be read",
        "The config names a file that is not there, or that haechi may not read. A relative name starts at the folder of the \
         config. Keys are often readable by root only: give the user that haechi runs as the right to read them.";
    NotPem, Error, "HCH0602", "not what a file should hold",
        "Certificates, keys and the like are read as PEM: text between lines such as `-----BEGIN CERTIFICATE-----`. DER files \
         are made PEM with `openssl x509 -inform der -in FILE`, keys with `openssl pkey`. A key with a passphrase can't be \
         used, because nobody is there to type it.";
    KeyMismatch, Error, "HCH0603", "a key that is not the certificate's",
        "The key does not belong to the first certificate of the file, so no client could be shown that it does. Often only \
         one of two files was renewed, or the certificates stand in the wrong order: the server's own comes first.";
    Expired, Error, "HCH0604", "a certificate that has expired",
        "No client would trust it. A change of config is refused for it, and the certificate in use stays. A start is not: a \
         node that serves many names should not stay down for one of them, so it warns and serves it.";
    NotYetValid, Error, "HCH0605", "a certificate that is not valid yet",
        "Its time begins later, so no client would trust it now. Often the clock of the machine that made it, or of this one, \
         is wrong. As with one that has expired, a change is refused for it and a start is not.";
    WeakKey, Error, "HCH0606", "a certificate that is too weak",
        "RSA keys under 2048 bits can be broken, and certificates that are signed with SHA-1 or MD5 can be forged; browsers \
         refuse both. `openssl ecparam -name prime256v1 -genkey -noout` makes a key that is strong and fast.";
    TicketKeys, Error, "HCH0607", "keys for tickets that can't be used",
        "The file holds 1 to 8 keys, one for each line, the oldest first, each as `openssl rand -hex 32` prints it. The last but \
         one seals new tickets and all open old ones: so a new key is added at the end on every node, and nobody uses it before \
         the next one is added. Messages never show a key.";
    Passwords, Error, "HCH0608", "a file of users that can't be used",
        "Each line is `name:hash`, with a hash of bcrypt (`htpasswd -B FILE NAME`), SHA-256-crypt or SHA-512-crypt \
         (`mkpasswd -m sha-512`). MD5 (`htpasswd` without `-B`, `$apr1$`), SHA-1, DES and plain passwords are refused: whoever \
         gets such a file has the passwords. One line that can't be used refuses the file, or its user would be locked out in \
         silence; on a change the users of before stay. Messages never show a hash.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_sorted_and_found() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].number() < pair[1].number()));
        for &code in Code::ALL {
            assert_eq!(Code::parse(&code.number().to_lowercase()), Some(code));
            assert_eq!(code.severity() == Severity::Warning, code.number().starts_with("HCH05"), "{code}");
            assert!(code.explanation().len() > code.title().len(), "{code}");
        }
        assert_eq!(Code::parse("HCH9999"), None);
    }
}
