"""Looks at pages in a headless Chromium, through its debugging pipe: JSON messages that end with NUL.

    browser.py [--screenshots DIR] FILE...

For each page, at widths of 360, 768 and 1280 px, light, dark and printed: one line a fault on standard output, exit code 1 if there
is any. Faults: errors and warnings on the console, a request for anything but the page, a script, text that runs over the side, a
number, a time or the group of an address broken over two lines, colours that are too much like what is behind them (WCAG AA: 4.5 for text, 3 for what is
drawn), a name that became markup (hostile names of the tests would set a property of the window, or add an element). The text of
X.html goes to X.txt, and what is printed to X.pdf."""
import base64, json, os, pathlib, shutil, subprocess, sys, tempfile

WIDTHS = (360, 768, 1280)

# What stands out at the side, and what no page of ours contains.
LOOK = """(asked => {
  const width = document.documentElement.clientWidth, faults = [];
  if (innerWidth !== asked)
    faults.push('laid out for ' + innerWidth + ' px');
  if (document.documentElement.scrollWidth > width)
    faults.push('the page is ' + document.documentElement.scrollWidth + ' px wide');
  for (const e of document.querySelectorAll('body *')) {
    const box = e.getBoundingClientRect();
    if (box.width > 0 && (box.right > width + 1 || box.left < -1))
      faults.push('over the side: ' + e.tagName + ' ' + e.textContent.slice(0, 40));
  }
  const foreign = document.querySelectorAll('script, img, iframe, object, embed, link, form, input, a:not([href$=".csv"])');
  for (const e of foreign)
    faults.push('not of ours: ' + e.outerHTML.slice(0, 80));
  for (const e of document.querySelectorAll('*'))
    for (const a of e.attributes)
      if (a.name.startsWith('on'))
        faults.push('a handler: ' + e.outerHTML.slice(0, 80));
  if (window.hacked !== undefined)
    faults.push('a script ran');
  for (const e of document.querySelectorAll('td:not(.name):not(.text), dd, dt, th')) {
    const range = document.createRange();
    range.selectNodeContents(e.firstChild || e);
    if (range.getClientRects().length > 1)
      faults.push('broken over lines: ' + e.textContent.slice(0, 40));
  }
  for (const e of document.querySelectorAll('bdi'))
    for (const text of /^([0-9]+([.][0-9]+){3}|[0-9a-f:]*:[0-9a-f:]*)([/][0-9]+)?$/.test(e.textContent) ? e.childNodes : []) {
      const range = document.createRange();
      range.selectNodeContents(text);
      if (text.nodeType === Node.TEXT_NODE && range.getClientRects().length > 1)
        faults.push('an address broken in the middle: ' + e.textContent);
    }
  const numbers = colour => colour.match(/[0-9.]+/g).map(Number);
  const light = colour => numbers(colour).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = e => e === null ? 'rgb(255, 255, 255)'
    : numbers(getComputedStyle(e).backgroundColor)[3] === 0 ? behind(e.parentElement) : getComputedStyle(e).backgroundColor;
  const compare = (e, name, colour, least) => {
    const [a, b] = [light(colour), light(behind(name === 'background' ? e.parentElement : e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < least)
      faults.push('a contrast of ' + ((a + 0.05) / (b + 0.05)).toFixed(2) + ': ' + e.outerHTML.slice(0, 60));
  };
  for (const e of document.querySelectorAll('h1, p, dt, dd, small, th, td, a, footer, .empty, .x, .y, summary'))
    compare(e, 'text', getComputedStyle(e).color, 4.5);
  for (const e of document.querySelectorAll('.legend i'))
    compare(e, 'background', getComputedStyle(e).backgroundColor, 3);
  if (getComputedStyle(document.body).maxWidth === 'none' && !matchMedia('print').matches)
    faults.push('the style sheet is not in force');
  return faults;
})(%d)"""


class Browser:
    def __init__(self, directory):
        to_read, self.out = os.pipe()
        self.into, to_write = os.pipe()

        def descriptors():
            os.dup2(os.dup(to_read), 3)
            os.dup2(os.dup(to_write), 4)

        # What is looked at is our own, and a sandbox is not to be had for root or in most containers.
        self.process = subprocess.Popen(
            [os.environ.get("CHROMIUM", "chromium"), "--headless=new", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--no-first-run", "--user-data-dir=" + directory, "--remote-debugging-pipe"],
            pass_fds=(3, 4), preexec_fn=descriptors, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self.pending = b""
        self.id = 0
        self.session = None
        self.events = []

    def receive(self):
        while b"\0" not in self.pending:
            piece = os.read(self.into, 1 << 20)
            if not piece:
                sys.exit("browser: Chromium has ended")
            self.pending += piece
        message, self.pending = self.pending.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **params):
        self.id += 1
        message = {"id": self.id, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.id:
                if "error" in answer:
                    sys.exit("browser: %s: %s" % (method, answer["error"]))
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.receive())

    def attach(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def close(self):
        self.session = None
        os.write(self.out, json.dumps({"id": 0, "method": "Browser.close"}).encode() + b"\0")
        self.process.wait(30)


def faults_of(events, url):
    for event in events:
        params = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent" and params["request"]["url"] != url:
            yield "asked for " + params["request"]["url"]
        elif event.get("method") == "Log.entryAdded":
            yield "console: " + params["entry"]["text"]
        elif event.get("method") in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
            yield "script: " + json.dumps(params)[:200]


def look(browser, file, screenshots):
    url = pathlib.Path(file).resolve().as_uri()
    for width in WIDTHS:
        for mode in ("light", "dark", "print"):
            browser.events = []
            browser.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
            browser.call("Emulation.setEmulatedMedia", media="print" if mode == "print" else "screen",
                         features=[{"name": "prefers-color-scheme", "value": "dark" if mode == "dark" else "light"}])
            browser.call("Page.navigate", url=url)
            browser.wait_for("Page.loadEventFired")
            result = browser.call("Runtime.evaluate", expression=LOOK % width, returnByValue=True)["result"]
            for fault in [*result.get("value", ["no answer: %s" % result]), *faults_of(browser.events, url)]:
                yield "%s at %d px, %s: %s" % (file, width, mode, fault)
            if screenshots:
                png = browser.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
                name = "%s-%d-%s.png" % (pathlib.Path(file).resolve().parent.name, width, mode)
                pathlib.Path(screenshots, name).write_bytes(base64.b64decode(png))
    text = browser.call("Runtime.evaluate", expression="document.body.textContent", returnByValue=True)["result"]["value"]
    pathlib.Path(file).with_suffix(".txt").write_text(text)
    pdf = base64.b64decode(browser.call("Page.printToPDF")["data"])
    if not pdf.startswith(b"%PDF"):
        yield "%s: cannot be printed" % file
    pathlib.Path(file).with_suffix(".pdf").write_bytes(pdf)


def main(arguments):
    screenshots = None
    if arguments[0] == "--screenshots":
        screenshots, arguments = arguments[1], arguments[2:]
    directory = tempfile.mkdtemp()
    browser = Browser(directory)
    try:
        browser.attach()
        faults = [fault for file in arguments for fault in look(browser, file, screenshots)]
        browser.close()
    finally:
        browser.process.kill()
        browser.process.wait()
        shutil.rmtree(directory, ignore_errors=True)
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


sys.exit(main(sys.argv[1:]))
