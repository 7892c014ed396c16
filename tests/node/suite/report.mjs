// Says how each case went, one line for each, and what it comes to.

/** `differs` is an outcome that `differences.mjs` lists for this target: known, with its reason. */
export class Report {
  counts = { ok: 0, differs: 0, skipped: 0, FAIL: 0 };

  constructor(differences) {
    this.differences = differences;
    this.listed = new Set();
  }

  line(outcome, variant, module, more = '') {
    this.counts[outcome] += 1;
    console.log(`${outcome.padEnd(7)} ${variant} ${module}${more && `: ${more}`}`);
  }

  passed(variant, { module, section }) {
    const listed = this.differenceOf(variant, module);
    if (listed) {
      this.line(
        'FAIL',
        variant,
        module,
        `is listed as a difference and does not differ: take it out of differences.mjs`,
      );
    } else {
      this.line('ok', variant, module, section);
    }
  }

  skipped(variant, { module }, why) {
    this.line('skipped', variant, module, why);
  }

  failed(variant, { module, section }, error) {
    const listed = this.differenceOf(variant, module);
    const what = error.name === 'Error' ? error.message : error.stack;
    if (listed) {
      this.line('differs', variant, module, `${what}; ${listed.peer} (${listed.text})`);
    } else {
      this.line('FAIL', variant, module, `${section}: ${what}`);
    }
  }

  differenceOf(variant, module) {
    const found = this.differences.find((one) => one.module === module && (!one.only || one.only(variant)));
    if (found) this.listed.add(found);
    return found;
  }

  /** True if nothing failed. A difference that no case has looked at is a mistake in the list. */
  close({ partly }) {
    const unseen = partly ? [] : this.differences.filter((one) => !this.listed.has(one));
    for (const { module } of unseen)
      this.line('FAIL', '-', module, 'is listed as a difference, and no case is named so');
    const { ok, differs, skipped, FAIL } = this.counts;
    console.log(`${ok} ok, ${differs} differ, ${skipped} skipped, ${FAIL} failed`);
    return FAIL === 0;
  }
}
