package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// The pages, in a real browser. CONCORD_SCREENS=DIR keeps screenshots there.

// chromium returns the browser's program, or skips.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no Chromium on this machine: .ci/deps installs it")
	return ""
}

// axe returns the accessibility checker's source, or skips.
func axe(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile("../../test/fhircheck/node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Skip("axe-core is not installed: .ci/npm does")
	}
	return string(raw)
}

// runDemo runs a demo and returns what its demo.json says, and its directory.
func runDemo(t testing.TB, arguments ...string) (demoJSON, string) {
	t.Helper()
	dir := sharedDir(t)
	ctx, cancel := context.WithCancel(context.Background())
	var out, said bytes.Buffer
	var mu sync.Mutex
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, append([]string{"demo", "--data", dir, "--addr", "127.0.0.1:0", "--people", "14", "--slow", "20ms"}, arguments...),
			&locked{&mu, &out}, &locked{&mu, &said})
	}()
	t.Cleanup(func() { cancel(); <-ended })
	for range 600 {
		if raw, err := os.ReadFile(filepath.Join(dir, "demo.json")); err == nil {
			var d demoJSON
			if err := json.Unmarshal(raw, &d); err != nil {
				t.Fatal(err)
			}
			return d, dir
		}
		select {
		case status := <-ended:
			mu.Lock()
			defer mu.Unlock()
			t.Fatalf("the demo ended with %d: %s", status, said.String())
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatal("the demo did not start within a minute")
	return demoJSON{}, ""
}

// locked is a writer for several goroutines.
type locked struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// A tab is one person's browser.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string
	mu   sync.Mutex
	// complaints are what the browser itself said was wrong: refused by the policy, script errors.
	complaints []string
	// urls are all the browser asked for.
	urls []string
}

// open starts a browser of its own, at base.
func open(t *testing.T, base string) *tab {
	t.Helper()
	profile, err := os.MkdirTemp("", "concord-browser")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(profile) }) // the browser may still be writing there
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("no-first-run", true), chromedp.UserDataDir(profile), chromedp.WindowSize(1200, 900))
	alloc, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	ctx, end := context.WithTimeout(ctx, 10*time.Minute)
	t.Cleanup(end)
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("the browser does not start: %v", err)
	}
	b := &tab{t: t, ctx: ctx, base: base}
	chromedp.ListenTarget(ctx, func(ev any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := ev.(type) {
		case *log.EventEntryAdded:
			if e.Entry.Level == log.LevelError && !strings.Contains(e.Entry.Text, "status of") {
				b.complaints = append(b.complaints, e.Entry.Text)
			}
		case *network.EventRequestWillBeSent:
			b.urls = append(b.urls, e.Request.URL)
		case *runtime.EventExceptionThrown:
			b.complaints = append(b.complaints, e.ExceptionDetails.Error())
		}
	})
	b.run(log.Enable(), network.Enable())
	return b
}

func (b *tab) run(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		var where, text string
		_ = chromedp.Run(b.ctx, chromedp.Location(&where), chromedp.Text("main", &text, chromedp.ByQuery, chromedp.AtLeast(0)))
		b.t.Fatalf("%v at %s\n%s", err, where, text)
	}
}

// visit goes to a path of the portal.
func (b *tab) visit(path string) { b.t.Helper(); b.run(chromedp.Navigate(b.base + path)) }

// as signs in as a persona.
func (b *tab) as(account string) { b.t.Helper(); b.visit("/signin?as=" + account) }

// click clicks and waits for the page it leads to.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.leads("a click on "+selector, chromedp.Click(selector, chromedp.ByQuery))
}

// press sends a key and waits for the page it leads to.
func (b *tab) press(name, key string) {
	b.t.Helper()
	b.leads("the key "+name, chromedp.KeyEvent(key))
}

// leads does what ought to lead to another page, and gives it a minute.
func (b *tab) leads(what string, action chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, action); err != nil {
		var where, text string
		_ = chromedp.Run(b.ctx, chromedp.Location(&where), chromedp.Text("main", &text, chromedp.ByQuery, chromedp.AtLeast(0)))
		b.t.Fatalf("%s leads nowhere at %s: %v\n%s", what, where, err, text)
	}
}

// say answers with the text of the page's main part.
func (b *tab) says() string {
	b.t.Helper()
	var text string
	b.run(chromedp.WaitReady("main", chromedp.ByQuery), chromedp.Evaluate(`document.body.innerText`, &text))
	return text
}

func (b *tab) wants(words ...string) {
	b.t.Helper()
	text := b.says()
	for _, w := range words {
		if !strings.Contains(text, w) {
			var where string
			b.run(chromedp.Location(&where))
			b.t.Errorf("%s does not say %q:\n%s", where, w, text)
		}
	}
}

// prove answers the demo provider's question whether somebody is still who they are.
func (b *tab) prove() {
	b.t.Helper()
	b.run(chromedp.WaitVisible(`button[type="submit"]`, chromedp.ByQuery))
	if !strings.Contains(b.says(), "Prove once more") {
		b.t.Errorf("no fresh proof was asked for: %s", b.says())
		return
	}
	b.click(`button[type="submit"]`)
}

// shot keeps a screenshot when they are asked for.
func (b *tab) shot(name string) {
	b.t.Helper()
	dir := os.Getenv("CONCORD_SCREENS")
	if dir == "" {
		return
	}
	var raw []byte
	b.run(chromedp.FullScreenshot(&raw, 60))
	if err := os.WriteFile(filepath.Join(dir, name+".jpg"), raw, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// width makes the window so wide.
func (b *tab) width(px int64) {
	b.t.Helper()
	b.run(emulation.SetDeviceMetricsOverride(px, 900, 1, px < 600))
}

// checked runs axe on the page in both widths and looks for what scrolls sideways.
func (b *tab) checked(name, source string) {
	b.t.Helper()
	var found string
	run := source + `;axe.run(document,{runOnly:['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa','best-practice']}).then(r=>JSON.stringify(r.violations.map(v=>v.id+': '+v.nodes.map(n=>n.target.join(' ')+' '+(n.any[0]?.message||n.all[0]?.message||'')).slice(0,3).join(' | '))))`
	b.run(chromedp.Evaluate(run, &found, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	if found != "[]" {
		b.t.Errorf("%s: axe found %s", name, found)
	}
	b.width(360)
	var over float64
	b.run(chromedp.Evaluate(`document.documentElement.scrollWidth - 360`, &over))
	if over > 0 {
		var who string
		b.run(chromedp.Evaluate(`[...document.querySelectorAll('body *')].filter(e=>e.getBoundingClientRect().right>361).slice(0,4).map(e=>e.tagName+'.'+e.className).join(' ')`, &who))
		b.t.Errorf("%s: at 360 px the page is %v px too wide: %s", name, over, who)
	}
	b.shot("phone-" + strings.NewReplacer("/", "-", " ", "-").Replace(name))
	b.width(1200)
}

// silent checks that the browser had nothing to say.
func (b *tab) silent() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		b.t.Errorf("the browser says: %s", c)
	}
	if len(b.urls) == 0 {
		b.t.Error("no address was looked at")
	}
	for _, u := range b.urls {
		for _, c := range personal {
			if strings.Contains(u, c) || strings.Contains(u, url.QueryEscape(c)) {
				b.t.Errorf("an address holds %q", c)
			}
		}
	}
}

// personal is what the stories tell of people and what must stand in no address and no log.
var personal = []string{"Alvarez", "ALVAREZ", "RF-1001", "1968-04-17", "410-226", "maria.alvarez", "Found unconscious", "Who is this doctor", "Lindqvist", "Noor Aziz", "Ana Marsh"}

// printed keeps a picture of the page as it is printed.
func (b *tab) printed(name string) {
	b.t.Helper()
	b.run(emulation.SetEmulatedMedia().WithMedia("print"))
	b.shot(name)
	b.run(emulation.SetEmulatedMedia().WithMedia(""))
}

func (b *tab) language(l string) {
	b.t.Helper()
	b.click(fmt.Sprintf(`.languages button[value=%q]`, l))
}
