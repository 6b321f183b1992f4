//! Two ends of one socket pair: an honest sender, and one that is not.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::thread;

use proptest::prelude::*;

use super::*;

const SOON: Duration = Duration::from_secs(10);

fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().unwrap()
}

/// A file that holds a number and has no name.
fn file(number: usize) -> File {
    let path = std::env::temp_dir().join(format!(
        "haechi-handoff-{}-{:?}-{number}",
        std::process::id(),
        thread::current().id()
    ));
    let mut file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    fs::remove_file(path).unwrap();
    file.write_all(number.to_string().as_bytes()).unwrap();
    file
}

fn number_in(descriptor: OwnedFd) -> usize {
    let mut file = File::from(descriptor);
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text.parse().unwrap()
}

fn through(descriptors: &[BorrowedFd<'_>], blob: &[u8], limits: Limits) -> io::Result<Handoff> {
    let (ours, theirs) = pair();
    thread::scope(|scope| {
        let sent = scope.spawn(move || send(&theirs, descriptors, blob, SOON));
        let received = receive(&ours, limits, SOON);
        drop(ours);
        // A receiver that refuses breaks the pipe.
        let _ = sent.join().unwrap();
        received
    })
}

#[test]
fn descriptors_keep_their_order_over_all_batches() {
    for number in [0, 1, BATCH - 1, BATCH, BATCH + 1, 2 * BATCH + 7] {
        let files: Vec<_> = (0..number).map(file).collect();
        let borrowed: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        let handoff = through(&borrowed, b"what they are", Limits::default()).unwrap();
        assert_eq!(handoff.blob, b"what they are");
        let closed_on_exec = |descriptor: &OwnedFd| {
            let flags = rustix::io::fcntl_getfd(descriptor).unwrap();
            flags.contains(rustix::io::FdFlags::CLOEXEC)
        };
        assert!(handoff.descriptors.iter().all(closed_on_exec));
        let numbers: Vec<_> = handoff.descriptors.into_iter().map(number_in).collect();
        assert_eq!(numbers, (0..number).collect::<Vec<_>>());
    }
}

#[test]
fn several_frames_follow_each_other() {
    let (ours, theirs) = pair();
    let files: Vec<_> = (0..4).map(file).collect();
    for file in &files {
        send(&theirs, &[file.as_fd()], b"one", SOON).unwrap();
    }
    for wanted in 0..4 {
        let mut handoff = receive(&ours, Limits::default(), SOON).unwrap();
        assert_eq!((handoff.blob.as_slice(), handoff.descriptors.len()), (&b"one"[..], 1));
        assert_eq!(number_in(handoff.descriptors.remove(0)), wanted);
    }
}

#[test]
fn a_large_blob_passes_through_a_small_buffer() {
    let blob: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    assert_eq!(through(&[], &blob, Limits::default()).unwrap().blob, blob);
}

#[test]
fn what_is_beyond_the_limits_is_refused_and_closed() {
    let files: Vec<_> = (0..3).map(file).collect();
    let inode = files[0].metadata().unwrap().ino();
    let borrowed: Vec<_> = files.iter().map(AsFd::as_fd).collect();
    let few = Limits { descriptors: 2, blob: 10 };
    assert_eq!(through(&borrowed, b"", few).unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert_eq!(through(&[], &[0; 11], few).unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert_eq!(open_with(inode), 1, "only the one that this test opened itself");
}

/// How many descriptors of this process are open on a file.
fn open_with(inode: u64) -> usize {
    let all = fs::read_dir("/proc/self/fd").unwrap();
    let same = |path: &std::path::Path| fs::metadata(path).is_ok_and(|about| about.ino() == inode);
    all.filter(|entry| entry.as_ref().is_ok_and(|entry| same(&entry.path()))).count()
}

#[test]
fn silence_ends_at_the_deadline() {
    let (ours, theirs) = pair();
    let begun = clock::now();
    let refused = receive(&ours, Limits::default(), Duration::from_millis(50)).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
    assert!(clock::now().since(begun) >= Duration::from_millis(50));
    // Nobody reads: the buffer of the socket fills up.
    let blob = vec![0; 16 << 20];
    let refused = send(&theirs, &[], &blob, Duration::from_millis(50)).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
}

#[test]
fn an_end_in_the_middle_is_one() {
    let file = file(0);
    for cut in [0, 3, HEADER, HEADER + 1] {
        let (ours, theirs) = pair();
        let wire = Wire { stream: &theirs, deadline: clock::now() + SOON };
        let header = [MAGIC, 1_u32.to_be_bytes(), 9_u32.to_be_bytes()].concat();
        wire.write(&header[..cut.min(HEADER)]).unwrap();
        if cut > HEADER {
            wire.write_with(&[file.as_fd()]).unwrap();
        }
        drop(theirs);
        let refused = receive(&ours, Limits::default(), SOON).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::UnexpectedEof, "{cut}");
    }
    assert_eq!(open_with(file.metadata().unwrap().ino()), 1);
}

#[test]
fn descriptors_where_none_belong_are_refused_and_closed() {
    let file = file(0);
    let inode = file.metadata().unwrap().ino();
    let header = |number: u32| [MAGIC, number.to_be_bytes(), 0_u32.to_be_bytes()].concat();
    let lies: [&dyn Fn(&Wire<'_>); 4] = [
        // With the first byte of the header.
        &|wire| wire.write_with(&[file.as_fd()]).unwrap(),
        // More than were announced.
        &|wire| {
            wire.write(&header(1)).unwrap();
            wire.write_with(&[file.as_fd(), file.as_fd()]).unwrap();
        },
        // Fewer.
        &|wire| {
            wire.write(&header(2)).unwrap();
            wire.write_with(&[file.as_fd()]).unwrap();
        },
        // None, only the byte.
        &|wire| {
            wire.write(&header(1)).unwrap();
            wire.write(&[0]).unwrap();
        },
    ];
    for (number, lie) in lies.iter().enumerate() {
        let (ours, theirs) = pair();
        lie(&Wire { stream: &theirs, deadline: clock::now() + SOON });
        // The first lie is a header of which only a byte came.
        Wire { stream: &theirs, deadline: clock::now() + SOON }.write(&[0; HEADER]).unwrap();
        let refused = receive(&ours, Limits::default(), SOON).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData, "lie {number}");
        drop((ours, theirs));
        assert_eq!(open_with(inode), 1, "lie {number}");
    }
}

#[test]
fn the_peer_is_who_connected() {
    let (ours, _theirs) = pair();
    let peer = peer(&ours).unwrap();
    assert_eq!(peer.process_id, i32::try_from(std::process::id()).unwrap());
    assert_eq!(peer.user_id, rustix::process::getuid().as_raw());
    assert!(ours.as_raw_fd() >= 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_end_in_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..64), honest in any::<bool>()) {
        let (ours, theirs) = pair();
        let bytes = if honest { [&MAGIC[..], &bytes].concat() } else { bytes };
        (&theirs).write_all(&bytes).unwrap();
        drop(theirs);
        let few = Limits { descriptors: 4, blob: 64 };
        if let Ok(handoff) = receive(&ours, few, SOON) {
            prop_assert!(handoff.descriptors.is_empty() && handoff.blob.len() <= 64);
        }
    }
}
