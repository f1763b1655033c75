import type { Reporter, TestModule } from 'vitest/node';

/** Ends the run with `N passed, N failed`, the closing line of every test program here. */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    let passed = 0;
    let failed = errors.length;
    for (const module of modules) {
      if (module.state() === 'failed' && [...module.children.allTests()].length === 0) failed += 1;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') passed += 1;
        else if (state === 'failed') failed += 1;
      }
    }
    // After the default reporter's own summary.
    setTimeout(() => console.log(`${passed} passed, ${failed} failed`));
  }
}
