//! Where a plugin's memory comes from.
//!
//! The host makes a fresh instance for every call, and an instance that grows its memory costs it two system
//! calls that take a lock all its threads share. So allocations come out of an arena that is part of the
//! instance from the start, and memory grows only when the arena is full. Memory is given back to the arena
//! when it is freed: a host may also keep an instance for many calls.

#![expect(unsafe_code, reason = "an allocator hands out raw memory")]

use core::alloc::Layout;
use core::arch::wasm32::memory_grow;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use talc::base::{Talc, binning::Binning};
use talc::cell::TalcSyncCell;
use talc::source::Source;
use talc::wasm::WasmBinning;

/// Enough for an answer of 64 KiB and everything made of it. More would have to be wiped after every call.
const ARENA: usize = 256 * 1024;

const PAGE: usize = 64 * 1024;

/// What the allocator adds to a block at most: its own words and the rounding to its unit.
const OVERHEAD: usize = 128;

static mut MEMORY: [MaybeUninit<u8>; ARENA] = [MaybeUninit::uninit(); ARENA];

#[global_allocator]
static ALLOCATOR: TalcSyncCell<ArenaThenGrowth, WasmBinning> =
    TalcSyncCell::new_wasm(ArenaThenGrowth { arena_is_used: false, grown_end: None });

#[derive(Debug)]
struct ArenaThenGrowth {
    arena_is_used: bool,
    grown_end: Option<NonNull<u8>>,
}

// SAFETY: `acquire` allocates nothing itself, and every region it hands over is handed over once: the arena
// because `arena_is_used` is set first, grown pages because `memory_grow` never names a page twice.
unsafe impl Source for ArenaThenGrowth {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        if !talc.source.arena_is_used {
            talc.source.arena_is_used = true;
            // SAFETY: `MEMORY` is named nowhere else.
            unsafe { talc.claim((&raw mut MEMORY).cast(), ARENA) };
            return Ok(());
        }
        let wanted = layout.size().saturating_add(layout.align()).saturating_add(OVERHEAD);
        let pages = wanted.div_ceil(PAGE);
        let first = memory_grow::<0>(pages);
        if first == usize::MAX {
            return Err(());
        }
        let (base, size) = ((first * PAGE) as *mut u8, pages * PAGE);
        talc.source.grown_end = match talc.source.grown_end.take() {
            // SAFETY: the pages are new, and they begin where the region that is extended ends.
            Some(end) if end.as_ptr() == base => Some(unsafe { talc.extend(end, base.wrapping_add(size)) }),
            // SAFETY: the pages are new.
            _ => unsafe { talc.claim(base, size) },
        };
        Ok(())
    }
}
