//! The loop from outside: who goes on when, and what of a socket is noted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use tokio::sync::oneshot;

use super::*;

fn run<T: 'static>(life: impl Future<Output = T> + 'static) -> T {
    Engine::new().unwrap().run(life).unwrap()
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let server = listener.accept().unwrap().0;
    server.set_nonblocking(true).unwrap();
    (client, server)
}

/// What tasks did, in order.
type Log = Rc<RefCell<Vec<&'static str>>>;

#[test]
fn another_thread_wakes_a_task_that_waits() {
    let (tell, told) = oneshot::channel();
    let teller = thread::spawn(move || tell.send(42).unwrap());
    assert_eq!(run(told), Ok(42));
    teller.join().unwrap();
}

#[test]
fn many_threads_wake_many_tasks_and_no_wake_is_lost() {
    const TASKS: usize = 500;
    let (tells, tolds): (Vec<_>, Vec<_>) = (0..TASKS).map(|_| oneshot::channel()).unzip();
    let tellers: Vec<_> = (tells.into_iter().enumerate())
        .map(|(number, tell)| thread::spawn(move || tell.send(number).unwrap()))
        .collect();
    let sum = run(async {
        let sum = Rc::new(Cell::new(0));
        let (done, all_done) = oneshot::channel::<()>();
        let done = Rc::new(done);
        for told in tolds {
            let (sum, done) = (Rc::clone(&sum), Rc::clone(&done));
            spawn(async move {
                let number = told.await.unwrap();
                sum.set(sum.get() + number);
                drop(done);
            });
        }
        drop(done);
        // The last task drops the sender.
        assert!(all_done.await.is_err());
        sum.get()
    });
    assert_eq!(sum, TASKS * (TASKS - 1) / 2);
    tellers.into_iter().for_each(|teller| teller.join().unwrap());
}

#[test]
fn who_yields_goes_on_after_the_others() {
    let log = run(async {
        let log = Log::default();
        for name in ["a", "b"] {
            let log = Rc::clone(&log);
            spawn(async move {
                log.borrow_mut().push(name);
                yield_now().await;
                log.borrow_mut().push(name);
            });
        }
        sleep(Duration::from_millis(1)).await;
        log.take()
    });
    assert_eq!(log, ["a", "b", "a", "b"]);
}

#[test]
fn sleepers_wake_in_the_order_of_their_time_and_not_before() {
    let before = clock::now();
    let log = run(async {
        let log = Log::default();
        for (name, millis) in [("last", 30), ("first", 10), ("second", 20)] {
            let log = Rc::clone(&log);
            spawn(async move {
                sleep(Duration::from_millis(millis)).await;
                log.borrow_mut().push(name);
            });
        }
        sleep(Duration::from_millis(40)).await;
        log.take()
    });
    assert_eq!(log, ["first", "second", "last"]);
    assert!(clock::now().since(before) >= Duration::from_millis(40));
}

#[test]
fn tasks_that_are_left_at_the_end_are_dropped_and_may_wake_each_other_then() {
    let (tell, told) = oneshot::channel::<()>();
    let dropped = Rc::new(());
    let held = Rc::clone(&dropped);
    run(async move {
        spawn(async move {
            let _held = held;
            let _ = told.await;
        });
        spawn(async move {
            let _tell = tell;
            std::future::pending::<()>().await;
        });
        yield_now().await;
    });
    assert_eq!(Rc::strong_count(&dropped), 1);
}

#[test]
fn a_socket_is_noted_until_it_blocks_and_again_when_more_comes() {
    let (mut client, server) = pair();
    run(async move {
        let server = Watched::new(server, true).unwrap();
        assert!(!server.is_noted(Way::In));
        client.write_all(b"one").unwrap();
        let mut buf = [0u8; 3];
        let read =
            std::future::poll_fn(|cx| server.poll_io(Way::In, cx, |mut socket| socket.read(&mut buf))).await;
        assert_eq!((read.unwrap(), buf), (3, *b"one"));
        assert!(server.is_noted(Way::In), "a full buffer says nothing of what is left");
        let blocked = server.try_io(Way::In, |mut socket| socket.read(&mut buf)).unwrap_err();
        assert_eq!(blocked.kind(), io::ErrorKind::WouldBlock);
        assert!(!server.is_noted(Way::In));
        let writer = thread::spawn(move || client.write_all(b"two").map(|()| client));
        let read =
            std::future::poll_fn(|cx| server.poll_io(Way::In, cx, |mut socket| socket.read(&mut buf))).await;
        assert_eq!((read.unwrap(), buf), (3, *b"two"));
        drop(writer.join().unwrap());
    });
}

/// A short read says that the socket is empty, but not when the end came with the bytes: nobody would be woken
/// for it again.
#[test]
fn an_end_that_came_with_the_last_bytes_is_found() {
    let (mut client, server) = pair();
    run(async move {
        client.write_all(b"last").unwrap();
        drop(client);
        let server = Watched::new(server, true).unwrap();
        let mut buf = [0u8; 16];
        for expected in [4, 0] {
            let read =
                std::future::poll_fn(|cx| server.poll_io(Way::In, cx, |mut socket| socket.read(&mut buf)))
                    .await;
            assert_eq!(read.unwrap(), expected);
            server.exhausted(Way::In);
        }
    });
}

#[test]
fn a_transfer_that_never_blocks_lets_others_go_on() {
    let (mut client, server) = pair();
    let (feeder, others) = run(async move {
        client.write_all(&[7; 4096]).unwrap();
        let server = Watched::new(server, true).unwrap();
        let (turns, others) = (Rc::new(Cell::new(0u32)), Rc::new(Cell::new(0u32)));
        let (count, seen) = (Rc::clone(&turns), Rc::clone(&others));
        spawn(async move {
            loop {
                yield_now().await;
                seen.set(seen.get() + 1);
            }
        });
        let mut reads = 0u32;
        std::future::poll_fn(|cx| {
            count.set(count.get() + 1);
            loop {
                match server.poll_io(Way::In, cx, |mut socket| socket.read(&mut [0; 1])) {
                    Poll::Ready(Ok(1)) => reads += 1,
                    Poll::Ready(other) => panic!("{other:?}"),
                    Poll::Pending => break,
                }
                if reads == 4096 {
                    return Poll::Ready(());
                }
            }
            Poll::Pending
        })
        .await;
        (turns.get(), others.get())
    });
    assert!(feeder >= 4096 / SHARE, "{feeder} turns");
    assert!(others >= 4096 / SHARE - 1, "{others} turns of the other task");
}

#[test]
fn news_of_a_socket_that_is_gone_concerns_nobody() {
    let (client, server) = pair();
    run(async move {
        let core = core().unwrap();
        let server = Watched::new(server, true).unwrap();
        let copy = server.socket().try_clone().unwrap();
        drop(server);
        // The copy keeps the kernel telling of it under the old key, whose place another socket takes.
        let (_other_client, other) = pair();
        let other = Watched::new(other, false).unwrap();
        (&client).write_all(b"x").unwrap();
        drop(client);
        sleep(Duration::from_millis(1)).await;
        assert!(!other.is_noted(Way::In), "news of the old socket reached the new one");
        assert!(core.sources.borrow_mut().get_mut(Key::from_bits(u64::from(u32::MAX))).is_none());
        drop(copy);
    });
}

#[test]
fn a_shared_socket_is_left_although_another_descriptor_keeps_it_open() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let copy = listener.try_clone().unwrap();
    run(async move {
        let core = core().unwrap();
        drop(Watched::shared(listener).unwrap());
        let _client = TcpStream::connect(copy.local_addr().unwrap()).unwrap();
        let mut events = Events::default();
        core.poller.wait(&mut events, Some(Duration::ZERO)).unwrap();
        assert_eq!(events.iter().filter(|news| news.key != ALARM).count(), 0);
    });
}
