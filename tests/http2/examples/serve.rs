//! The least server around the core, to let programs at by hand: h2spec, h2load, a browser with a tool in front.

#![expect(clippy::print_stdout, reason = "it says where it listens")]

use haechi_http2::Config;
use haechi_http2_peers::serve;

fn main() {
    println!("{}", serve(Config::default()));
    loop {
        std::thread::park();
    }
}
