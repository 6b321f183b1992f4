//! Compression on the page: its sections, and how it behaves.

use super::sections::Section;
use crate::keys;

pub(super) static SECTIONS: &[Section] = &[
    Section {
        heading: "Compression",
        path: "listeners.NAME.compression",
        shape: &keys::COMPRESSION,
        intro: "The same at `listeners.NAME.routes[].filters.compression`, where it stands in place of all that the listener \
                says, or is `off`. See [how answers are compressed](#how-answers-are-compressed).",
        example: "\
listeners:
  web:
    bind: \":80\"
    protocol: http
    compression: {}
    routes:
      - { path: /feed, pool: api, filters: { compression: { types: [application/json, text/event-stream] } } }
      - { path: /account, pool: api, filters: { compression: off } }
      - { pool: web }
",
    },
    Section {
        heading: "Coding levels",
        path: "listeners.NAME.compression.levels",
        shape: &keys::LEVELS,
        intro: "",
        example: "\
listeners:
  web:
    bind: \":80\"
    protocol: http
    compression: { codings: gzip, levels: { gzip: 6 }, minimumSize: 2KiB }
    routes: [{ pool: web }]
",
    },
];

pub(super) const BEHAVIOUR: &str = "
## How answers are compressed

Nothing is, unless `compression` says so, as in nginx and HAProxy: it costs CPU, and where an answer over TLS holds a secret
together with what a client sent, its length tells of the secret (BREACH). So turn it `off` on routes that echo input beside
tokens, or keep tokens out of what is compressed.

- **Which coding** the client says in `Accept-Encoding` (RFC 9110 section 12.5.3): the one with the highest `q`, of several
  alike the first of `codings`. A coding with `q=0` is never used, `*` stands for those that are not named, and where
  `identity` is liked better the body goes as it is. `identity;q=0` is coded below `minimumSize` too.
- **Which answers**: those with a body and one of `types`, but no part of a body (206, `Content-Range`), none that has a
  `Content-Encoding`, and none with `Cache-Control: no-transform` in the answer or in the request. gRPC is always left alone.
  So are clients of HTTP/1.0: a body of unknown length could only end with their connection, cut off or not.
- **What changes in the head**: `Content-Encoding` and `Vary: Accept-Encoding` come (the latter also where this client gets
  the body as it is), `Content-Length`, `Accept-Ranges` and digests of the bytes go, and a strong `ETag` becomes weak,
  because the bytes are others. Digests among trailers go too; other trailers stay.
- **Conditional requests** go on as they are. `If-None-Match` compares weakly, so an endpoint that holds `\"a\"` knows
  `W/\"a\"` again, and its 304 gets the weak form back. `If-Match` and `If-Range` compare strongly: a client can't change, or
  go on with the rest of, a body by the validator of a coded one, and gets 412 or the whole body.
- **When bytes go on**: if the body's length is not known, all that came of it is sent on before the next part is waited
  for, so events and logs are not held back. Each such pause costs some bytes. `text/event-stream` is not among the `types`
  at first, because each stream keeps its encoder.
- **Memory**: an encoder takes 0.4 MiB for gzip, 0.2 to 2.3 MiB for brotli and 1 to 3.5 MiB for zstd, more at higher levels,
  until its answer ends. All of a worker take 128 MiB at most, and none is begun under `memoryCeiling`'s pressure; answers
  beyond that go as they are. A client that reads slowly keeps its encoder, and what it has not read yet keeps more from being made.
- Large bodies that are not compressed still go through the kernel alone.
";
