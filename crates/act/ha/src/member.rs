//! One virtual router with everything outside that belongs to it: where it is heard, where it sends from, and who
//! moves its addresses.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::thread::JoinHandle;
use std::time::Duration;

use haechi_model::{
    Checksum, InterfaceName, Moment, Mover as MoverKind, Transport, VirtualAddress, VirtualRouter,
};
use haechi_sys::Family;
use haechi_sys::raw::group;
use haechi_vrrp::packet::{Advertisement, ChecksumForm, Cover, Version};
use haechi_vrrp::timing::GONE;
use haechi_vrrp::{Router, Settings};

use crate::counters::Dropped;
use crate::deeds::{Deed, Helper, Helpers};
use crate::handover::Chain;
use crate::keeper::{Farewell, Hold};
use crate::legacy::{Identity, MemberLeft, form, is_plain};
use crate::mover::Mover;
use crate::parting::Parting;
use crate::ports::{Heard, Key, Ports};
use crate::udp::Seals;
use crate::view::View;
use crate::virtual_mac;

/// How long the previous active has to say that it still serves its flows. It says so as soon as it hears of its
/// successor. One that died without a word leaves flows that nobody answers, and a client is told sooner by a reset.
const WORD: Duration = Duration::from_secs(1);

/// A way to the previous active.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passing {
    pub(crate) previous: IpAddr,
    /// It ends now.
    pub(crate) until: Moment,
    /// It ends then, if the previous active says that it serves its flows.
    pub(crate) longest: Moment,
    /// It said so.
    pub(crate) confirmed: bool,
}

/// A virtual router's outside.
pub(crate) struct Member {
    pub(crate) config: VirtualRouter,
    pub(crate) addresses: Vec<IpAddr>,
    mover: Mover,
    pub(crate) link_up: bool,
    /// To whom packets of unknown flows go.
    pub(crate) passing: Option<Passing>,
    /// Another node has its addresses, or will in a moment.
    parting: Option<Parting>,
    helper: Option<Helper>,
    /// The interface with its own MAC.
    face: Option<InterfaceName>,
    pub(crate) sent: u64,
    pub(crate) heard: u64,
    pub(crate) send_failures: u64,
    pub(crate) transitions: u64,
    /// The form of checksum that others send.
    form: Option<ChecksumForm>,
    source: Option<IpAddr>,
    bytes: Vec<u8>,
}

impl Member {
    pub(crate) fn new(config: VirtualRouter) -> Self {
        Self {
            addresses: config.addresses.iter().map(|it| it.address).collect(),
            config,
            mover: Mover::default(),
            link_up: true,
            passing: None,
            parting: None,
            helper: None,
            face: None,
            sent: 0,
            heard: 0,
            send_failures: 0,
            transitions: 0,
            form: None,
            source: None,
            bytes: Vec::new(),
        }
    }

    /// What a process that goes on should know of it.
    pub(crate) fn lend(&self) -> MemberLeft {
        MemberLeft {
            identity: Identity::of(&self.config),
            link_up: self.link_up,
            sent: self.sent,
            heard: self.heard,
            send_failures: self.send_failures,
            transitions: self.transitions,
            plain: self.form.map(is_plain),
        }
    }

    /// Goes on with what a former process knew.
    pub(crate) fn inherit(&mut self, left: &MemberLeft) {
        (self.link_up, self.form) = (left.link_up, left.plain.map(form));
        (self.sent, self.heard) = (left.sent, left.heard);
        (self.send_failures, self.transitions) = (left.send_failures, left.transitions);
    }

    /// What the machine needs to know of it now.
    pub(crate) fn settings(&self) -> Settings {
        let unknown = match self.family() {
            Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Settings::of(&self.config, self.source.unwrap_or(unknown))
    }

    fn family(&self) -> Family {
        self.addresses.first().map_or(Family::V4, |address| Family::of(*address))
    }

    /// Multicast over IPv4 comes from its own MAC, if it has one.
    fn speaks_on(&self, multicast: bool) -> &InterfaceName {
        if multicast && self.family() == Family::V4 { self.interface() } else { &self.config.interface }
    }

    /// Where its addresses live.
    pub(crate) fn interface(&self) -> &InterfaceName {
        self.face.as_ref().unwrap_or(&self.config.interface)
    }

    /// Addresses as they live there: without a network on a macvlan, whose interface leads to that network.
    fn placed(&self, addresses: &[VirtualAddress]) -> Vec<VirtualAddress> {
        let placed = |it: &VirtualAddress| match &self.face {
            Some(_) => VirtualAddress { prefix: if it.address.is_ipv4() { 32 } else { 128 }, ..*it },
            None => *it,
        };
        addresses.iter().map(placed).collect()
    }

    /// Puts its addresses into the kernel.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn claim(&mut self, view: &mut View) -> Result<(), String> {
        self.parting = None;
        let (interface, addresses) = (self.interface().clone(), self.placed(&self.config.addresses));
        self.mover.claim(view, &interface, &addresses)
    }

    /// Keeps them, and answers for them until another node does; at once, if that can't be heard.
    pub(crate) fn part(&mut self, now: Moment, view: &mut View) {
        let mac = view.interface(&self.config.interface).and_then(|it| it.mac);
        let parting = mac
            .zip(self.addresses.last())
            .map(|(mac, address)| Parting::begin(now, &self.config.interface, mac, self.source, *address));
        match parting {
            Some(Ok(parting)) => self.parting = Some(parting),
            Some(Err(_)) | None => self.demote(view),
        }
    }

    /// Another one may answer for them by now.
    pub(crate) fn finish_parting(&mut self, now: Moment, view: &mut View) {
        if self.parting.as_mut().is_some_and(|parting| parting.is_over(now)) {
            self.demote(view);
        }
    }

    /// What is listened to until another node answers for its addresses.
    pub(crate) const fn parting(&self) -> Option<&Parting> {
        self.parting.as_ref()
    }

    /// Keeps them where nobody asks for them.
    pub(crate) fn demote(&mut self, view: &mut View) {
        // Closing a socket for frames takes the kernel some ten milliseconds, in which two would answer.
        let parting = self.parting.take();
        let (interface, addresses) = (self.interface().clone(), self.placed(&self.config.addresses));
        self.mover.demote(view, &interface, &addresses);
        drop(parting);
    }

    /// Takes them away.
    pub(crate) fn release(&mut self, view: &mut View) {
        self.parting = None;
        let all = self.config.addresses.clone();
        self.release_some(view, &all);
    }

    /// Takes some of them away.
    pub(crate) fn release_some(&mut self, view: &mut View, addresses: &[VirtualAddress]) {
        let (interface, addresses) = (self.interface().clone(), self.placed(addresses));
        self.mover.release(view, &interface, &addresses);
    }

    fn wants_face(&self) -> bool {
        self.config.virtual_mac && self.moves_kernel_addresses()
    }

    /// Makes the interface with its own MAC, if it is wanted and not there. Says whether it did.
    pub(crate) fn put_on_face(&mut self, view: &mut View) -> bool {
        if !self.wants_face() {
            return false;
        }
        let Some(parent) = view.interface(&self.config.interface).map(|it| it.index) else { return false };
        let name = virtual_mac::name(self.family(), self.config.id.get(), parent);
        if self.face.as_ref() == Some(&name) && view.interface(&name).is_some_and(|it| it.up) {
            return false;
        }
        match virtual_mac::make(view, &name, parent, self.family(), self.config.id.get()) {
            Ok(()) => {
                self.face = Some(name);
                true
            }
            Err(error) => {
                tracing::error!(router = %self.config.name, %error, "no interface for its virtual MAC");
                self.face = None;
                false
            }
        }
    }

    pub(crate) fn take_off_face(&mut self, view: &mut View) {
        if let Some(name) = self.face.take() {
            virtual_mac::remove(view, &name);
        }
    }

    /// The interface that must leave its addresses to another one.
    pub(crate) fn quiet_parent(&self) -> Option<InterfaceName> {
        self.face.as_ref().map(|_| self.config.interface.clone())
    }

    /// Where it speaks and hears.
    pub(crate) fn port(&self) -> Key {
        match &self.config.transport {
            Transport::Vrrp { peers, .. } => Key::Vrrp {
                interface: self.speaks_on(peers.is_empty()).clone(),
                v6: self.family() == Family::V6,
                unicast: !peers.is_empty(),
            },
            Transport::Udp { bind, .. } => Key::Udp(*bind),
        }
    }

    /// The file with its keys, if it seals what it says.
    pub(crate) fn keys(&self) -> Option<&str> {
        match &self.config.transport {
            Transport::Vrrp { .. } => None,
            Transport::Udp { keys, .. } => Some(keys),
        }
    }

    /// Looks where its advertisements come from now. Says whether that changed.
    pub(crate) fn look(&mut self, view: &View) -> bool {
        let configured = match &self.config.transport {
            Transport::Vrrp { source, .. } => *source,
            Transport::Udp { bind, .. } => Some(bind.ip()).filter(|ip| !ip.is_unspecified()),
        };
        let found = configured.or_else(|| {
            let index = view.interface(&self.config.interface)?.index;
            let family = match &self.config.transport {
                Transport::Vrrp { .. } => self.family(),
                Transport::Udp { bind, .. } => Family::of(bind.ip()),
            };
            view.source(index, family, &self.addresses)
        });
        // An interface that loses its address for a moment keeps its name in the election.
        let source = found.or(self.source);
        std::mem::replace(&mut self.source, source) != source
    }

    /// Whether it can speak at all.
    pub(crate) fn can_speak(&self, view: &View, ports: &Ports) -> bool {
        view.is_usable(&self.config.interface)
            && self.face.is_some() == self.wants_face()
            && self.source.is_some()
            && ports.is_open(&self.port())
    }

    /// Whether this advertisement is for this virtual router, and from somebody who may speak.
    ///
    /// # Errors
    /// Why it is none of its.
    pub(crate) fn judge(&self, heard: &Heard) -> Result<(), Dropped> {
        if heard.advertisement.id != self.config.id.get() {
            return Err(Dropped::UnknownId);
        }
        let known = match &self.config.transport {
            Transport::Vrrp { peers, .. } => {
                peers.is_empty() || peers.iter().any(|peer| peer.address == heard.source)
            }
            Transport::Udp { peers, .. } => peers.iter().any(|peer| peer.address.ip() == heard.source),
        };
        if !known {
            return Err(Dropped::UnknownPeer);
        }
        let wanted = match &self.config.transport {
            Transport::Vrrp { checksum: Checksum::Plain, .. } => Some(ChecksumForm::Plain),
            Transport::Vrrp { checksum: Checksum::PseudoHeader, .. } => Some(ChecksumForm::PseudoHeader),
            Transport::Vrrp { checksum: Checksum::Auto, .. } | Transport::Udp { .. } => None,
        };
        let old = heard.advertisement.version == Version::V2;
        if wanted.is_some_and(|wanted| wanted != heard.form) && heard.source.is_ipv4() && !old {
            return Err(Dropped::OtherChecksum);
        }
        Ok(())
    }

    /// Notes what was heard.
    pub(crate) fn note(&mut self, heard: &Heard) {
        self.heard += 1;
        self.confirm(heard);
        if heard.advertisement.version == Version::V3 {
            self.form = Some(heard.form);
        }
    }

    /// What it says with this priority.
    fn message(&self, router: &Router, priority: u8) -> Advertisement {
        let settings = router.settings();
        Advertisement {
            version: Version::V3,
            id: settings.id.get(),
            priority,
            interval: settings.interval,
            addresses: self.addresses.clone(),
        }
    }

    /// Everybody who should hear it.
    fn audience(&self) -> Vec<SocketAddr> {
        match &self.config.transport {
            Transport::Vrrp { peers, .. } if peers.is_empty() => vec![(group(self.family()), 0).into()],
            Transport::Vrrp { peers, .. } => peers.iter().map(|peer| (peer.address, 0).into()).collect(),
            Transport::Udp { peers, .. } => peers.iter().map(|peer| peer.address).collect(),
        }
    }

    /// What the keeper has to know of it: addresses that are the kernel's, and farewells. It has no keys, so it gets
    /// them sealed.
    pub(crate) fn hold(&self, router: &Router, seals: &Seals) -> Hold {
        let farewells = self.source.into_iter().flat_map(|source| {
            self.audience().into_iter().filter_map(move |to| self.farewell(router, source, to, seals))
        });
        let kernels = if self.moves_kernel_addresses() { &*self.config.addresses } else { &[] };
        Hold {
            interface: self.interface().to_string(),
            addresses: self.placed(kernels).iter().map(|it| (it.address, it.prefix)).collect(),
            farewells: farewells.collect(),
        }
    }

    fn farewell(&self, router: &Router, source: IpAddr, to: SocketAddr, seals: &Seals) -> Option<Farewell> {
        let message = Advertisement { interval: GONE, ..self.message(router, 0) };
        let mut bytes = Vec::new();
        message.encode(self.cover(source, to.ip()), &mut bytes).ok()?;
        let port = match self.keys() {
            None => None,
            Some(keys) => {
                bytes = seals.seal_farewell(keys, &bytes).ok()?;
                Some(to.port())
            }
        };
        Some(Farewell { source, destination: to.ip(), port, bytes })
    }

    /// Sends one advertisement to everybody who should hear it.
    pub(crate) fn advertise(&mut self, router: &Router, priority: u8, ports: &Ports) {
        self.send(router, priority, self.audience(), ports);
    }

    fn send(&mut self, router: &Router, priority: u8, audience: Vec<SocketAddr>, ports: &Ports) {
        let Some(source) = self.source else { return };
        let message = self.message(router, priority);
        for destination in audience {
            let cover = self.cover(source, destination.ip());
            if let Err(error) = message.encode(cover, &mut self.bytes) {
                tracing::error!(router = %self.config.name, %error, "no advertisement can be made");
                return;
            }
            let sent = match &self.config.transport {
                Transport::Vrrp { .. } => ports.send(&self.port(), &self.bytes, source, destination.ip()),
                Transport::Udp { bind, keys, .. } => ports.send_sealed(*bind, keys, &self.bytes, destination),
            };
            match sent {
                Ok(()) => self.sent += 1,
                Err(error) => {
                    self.send_failures += 1;
                    tracing::debug!(router = %self.config.name, %destination, %error, "advertisement not sent");
                }
            }
        }
    }

    /// In an envelope and over IPv6 there is one form; over IPv4 the configured one, or that of the others.
    fn cover(&self, source: IpAddr, destination: IpAddr) -> Cover {
        let Transport::Vrrp { checksum, .. } = &self.config.transport else { return Cover::Message };
        let plain = match *checksum {
            Checksum::Plain => true,
            Checksum::PseudoHeader => false,
            Checksum::Auto => self.form == Some(ChecksumForm::Plain),
        };
        if plain && source.is_ipv4() { Cover::Message } else { Cover::PseudoHeader { source, destination } }
    }

    /// Tells a successor that open flows are served here: priority 0 to it alone. To anybody else, and to a
    /// successor that is no haechi, it says nothing new (RFC 9568 §6.4.3).
    pub(crate) fn say_that_it_serves(&mut self, router: &Router, to: IpAddr, ports: &Ports) {
        let audience = match &self.config.transport {
            Transport::Vrrp { .. } => vec![SocketAddr::new(to, 0)],
            Transport::Udp { .. } => self.audience().into_iter().filter(|peer| peer.ip() == to).collect(),
        };
        self.send(router, 0, audience, ports);
    }

    /// Takes the previous active's word that it serves its flows.
    fn confirm(&mut self, heard: &Heard) {
        if let Some(passing) = &mut self.passing
            && passing.previous == heard.source
            && heard.advertisement.priority == 0
            && !passing.confirmed
        {
            (passing.confirmed, passing.until) = (true, passing.longest);
        }
    }

    /// How packets of flows that `previous` has get there, if that is wanted. It serves them for no longer than
    /// `drain`, which is the same on all nodes.
    pub(crate) fn pass_to(&mut self, now: Moment, previous: IpAddr) -> Option<Chain> {
        let wanted = self.moves_kernel_addresses()
            && self.config.drain > Duration::ZERO
            && Family::of(previous) == self.family();
        let longest = now + self.config.drain;
        let until = longest.min(now + WORD);
        self.passing = wanted.then_some(Passing { previous, until, longest, confirmed: false });
        wanted.then(|| Chain {
            router: self.config.name.clone(),
            interface: self.config.interface.clone(),
            addresses: self.addresses.clone(),
            previous,
        })
    }

    /// Asks whoever moves its addresses, if that is not the kernel.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(crate) fn ask(&mut self, deed: Deed, addresses: Vec<IpAddr>, helpers: &Helpers) -> io::Result<()> {
        if self.helper.is_none() {
            self.helper = Some(Helper::start(&self.config, helpers)?);
        }
        if let Some(helper) = &mut self.helper {
            helper.ask(deed, addresses);
        }
        Ok(())
    }

    /// Whether the result of this deed still means something.
    pub(crate) fn awaits(&self, number: u64) -> bool {
        self.helper.as_ref().is_some_and(|helper| helper.is_newest(number))
    }

    /// Nothing more is asked; the thread that ends when all is done.
    pub(crate) fn retire(&mut self) -> Option<JoinHandle<()>> {
        self.helper.take().map(Helper::retire)
    }

    /// Whether the kernel's addresses are this virtual router's to move.
    pub(crate) fn moves_kernel_addresses(&self) -> bool {
        self.config.mover == MoverKind::Netlink
    }
}
