"""JavaScript: what it computes, and that it does nothing else."""

from __future__ import annotations

import shutil
import socket
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tasks.connectors import script_javascript
from tests.tasks.connectors.script.conftest import failure, respond

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def run(text: str, **variables: Any) -> Any:
    return respond("javascript", text, variables)["result"]


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("a + 1", Decimal("2.5")),
        ("0.1 + 0.2", Decimal("0.30000000000000004")),
        ("big", "12345678901234567890123"),
        ("variables['odd name']", "x"),
        ("const result = {x: [1, 'é😀', null, undefined]}; undefined", {"x": [1, "é😀", None, None]}),
        ("let y = 1", None),
        ("10n ** 30n", "1" + "0" * 30),
        ("rows.map(row => row.n).reduce((x, y) => x + y, 0)", 6),
        ("(async () => { await null; result = 7 })()", 7),
        ("({a: new Date(0)})", {"a": "1970-01-01T00:00:00.000Z"}),
    ],
)
def test_results(text: str, result: Any) -> None:
    given: dict[str, Any] = {
        "a": Decimal("1.5"),
        "big": 12345678901234567890123,
        "odd name": "x",
        "rows": [{"n": 1}, {"n": 2}, {"n": 3}],
    }
    assert run(text, **given) == result


def test_what_is_printed_goes_to_the_journal() -> None:
    made = respond("javascript", "console.log('hello', {a: 1}); print(2); 3")
    assert made.body == {"result": 3}
    assert made.journal == {"language": "javascript", "printed": 'hello {"a":1}\n2\n'}


@pytest.mark.parametrize(
    ("text", "line", "kind"),
    [
        ("let x = 1;\n\nx.foo.bar", 3, "TypeError"),
        ("let x = 1;\nlet y = ;", 2, "SyntaxError"),
        ("\n\nthrow new RangeError('no')", 3, "RangeError"),
        ("missing", 1, "ReferenceError"),
        ("throw {a: 1}", None, "undefined"),
    ],
)
def test_errors_have_a_line(text: str, line: int | None, kind: str) -> None:
    error = failure("javascript", text)
    assert (error.code, error.details["line"], error.details["type"]) == ("SCRIPT_ERROR", line, kind)


@pytest.mark.parametrize(
    "text",
    [
        "require('fs')",
        "process.env",
        "module",
        "fetch('http://127.0.0.1')",
        "setTimeout(() => 1, 1)",
        "Buffer.from('x')",
        "eval('1')",
        "new Function('return 1')()",
        "this.constructor.constructor('return process')()",
        "globalThis.constructor.constructor('return this')()",
        "console.log.constructor('return process')()",
        "(async () => {}).constructor('return process')()",
        "(function* () {}).constructor('return process')()",
        "new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))",
        "throw new Proxy({}, {get() { throw process }})",
    ],
)
def test_there_is_no_way_out(text: str) -> None:
    assert failure("javascript", text).code == "SCRIPT_ERROR"


@pytest.mark.parametrize(
    "text",
    [
        "import('fs').then(fs => { result = fs.readFileSync('/etc/passwd') }, e => {})",
        "import('fs').catch(e => { result = e.constructor.constructor('return process')().env })",
        "Error.prepareStackTrace = (e, f) => f; try { null.x } catch (e) {"
        " for (const f of e.stack) { const o = f.getThis() || f.getFunction(); if (o && o.process) result = 'out' } }",
        "try { print.caller } catch (e) { const f = e.constructor.constructor;"
        " try { result = f('return process')() } catch (e) {} }",
        "globalThis.x = 1; try { result = x.constructor.constructor('return process')() } catch (e) {}",
    ],
)
def test_tricks_reach_nothing(text: str) -> None:
    assert respond("javascript", f"var result; {text}; undefined")["result"] is None


def test_no_way_to_the_loopback() -> None:
    """Even in Node's own realm, where `require` is: the kernel opens nothing for the process."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        port = server.getsockname()[1]
        failure("javascript", f"require('net').connect({port}, '127.0.0.1')")
        failure("javascript", f"fetch('http://127.0.0.1:{port}/')")
        with pytest.raises(TimeoutError):
            server.accept()


def test_the_kernel_opens_nothing_for_the_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A runner with everything in its hands, as if a script had broken out of its context."""
    source = script_javascript.RUNNER.read_text()
    hostile = """
      const tried = {};
      for (const [name, act] of Object.entries({
        file: () => fs.readFileSync('/etc/passwd'),
        self: () => fs.readFileSync(__filename),
        write: () => fs.writeFileSync('%ESCAPED%', 'x'),
        child: () => require('child_process').execFileSync('/bin/true'),
        worker: () => new (require('worker_threads').Worker)('1', {eval: true}),
        socket: () => require('dgram')
          .createSocket({type: 'udp4', lookup: (host, options, done) => done(null, '127.0.0.1', 4)})
          .bind({port: 0, address: '127.0.0.1'}),
      })) { try { act(); tried[name] = 'done' } catch (e) { tried[name] = String(e.code || e.message) } }
      write(JSON.stringify({ value: JSON.stringify(tried) }));
      exit(0);
    """
    escaped = tmp_path / "escaped"
    hostile = hostile.replace("%ESCAPED%", str(escaped))
    assert "const context = vm" in source
    broken = tmp_path / "runner.js"
    broken.write_text(
        source.replace("const context = vm", hostile + "const context = vm").replace("delete global", "void global")
    )
    monkeypatch.setattr(script_javascript, "RUNNER", broken)
    tried = run("1")
    assert set(tried) == {"file", "self", "write", "child", "worker", "socket"}
    assert "done" not in tried.values(), tried
    assert not escaped.exists()


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("while (true) {}", "time"),
        ("(function f() { Promise.resolve().then(f) })()", "time"),
        ("/^(a+)+$/.test('a'.repeat(60) + 'b')", "time"),
        ("Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 9000)", "time"),
        ("while (true) try { print('x'.repeat(1000)) } catch (e) {}", "time"),
        ("const x = []; while (true) x.push([x.length, {}])", "memory"),
        ("const x = []; while (true) x.push(new Uint8Array(10000000).fill(1))", "memory"),
        ("(function f() { return f() + 1 })()", "recursion"),
        ("while (true) print('x'.repeat(1000))", "output"),
        ("'x'.repeat(3000000)", "output"),
    ],
)
def test_limits(text: str, limit: str) -> None:
    seconds = "0.7" if limit == "time" else "25"
    error = failure("javascript", text, deadlineInSeconds=seconds, maxMemoryMegabytes="16")
    assert (error.code, error.details["limit"]) == ("SCRIPT_LIMIT", limit), error.message


def test_pollution_does_not_cross_runs() -> None:
    assert run("Object.prototype.polluted = 1; Array.prototype.map = null; ({}).polluted") == 1
    assert run("[({}).polluted === undefined, typeof [].map]") == [True, "function"]


def test_a_poisoned_context_harms_only_itself() -> None:
    text = "JSON.stringify = () => 'x'; Object.prototype.toJSON = function () { return 'mine' }; ({a: 1})"
    assert run(text) == "mine"
    assert run("({a: 1})") == {"a": 1}


def test_large_inputs_and_results() -> None:
    text = "x" * 1_000_000
    assert run("given.length", given=text) == 1_000_000
    assert run("given", given=text) == text


def test_from_several_threads() -> None:
    results: list[Any] = []
    threads = [threading.Thread(target=lambda n=n: results.append(run("n * n", n=n))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [0, 1, 4, 9]


def test_without_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    script_javascript._node.cache_clear()
    try:
        error = failure("javascript", "1")
        assert error.code == "SCRIPT_UNAVAILABLE"
        assert "no `node` on the PATH" in error.message
        old = tmp_path / "node"
        old.write_text("#!/bin/sh\necho v18.1.0\n")
        old.chmod(0o755)
        assert "found v18.1.0" in failure("javascript", "1").message
    finally:
        script_javascript._node.cache_clear()
