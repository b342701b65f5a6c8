package portal

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/internal/fhir"
)

// How long sites may take before what has arrived is offered, and before one that has not answered is called slow. When it is
// given up is the exchange's to say (federation.Limits.Follow, 30 s).
//
// Source: spec ux D2 (partials at 2 s, slow at 8 s, stop at 30 s).
const (
	offerAfter = 2 * time.Second
	slowAfter  = 8 * time.Second
)

// A progress is the stream of one page that waits for sites.
type progress struct {
	*visit
	patient string
	round   round
	// list is the address of the page with the same filter.
	list string
	// arrived says that a site told of something that may be shown; offering, that it is time to say so.
	arrived, offering bool
}

// progress answers GET /patients/:patient/progress?seen=N with server-sent events while the sites that do not publish are
// asked: "sites" is their rows and "answered" how many have answered, each time something becomes known; "arrived" offers the
// page anew once something came that may be shown; "done" ends it, and says whether more than the N documents already seen
// may be shown. It names only sites the exchange names, after what became of them was recorded, and shows no document: the
// page opened again does, and that is recorded as any query.
//
// Source: WHATWG HTML, Server-sent events; spec ux D2; DESIGN idea 7.
func (v *visit) progress() error {
	q := v.c.Request.URL.Query()
	seen, err := strconv.Atoi(q.Get("seen"))
	if err != nil || seen < 0 {
		seen = 0
	}
	p := &progress{visit: v, patient: v.c.Param("patient")}
	filter := filterOf(q, seen)
	filter.Del("seen")
	p.list = strings.TrimSuffix("/patients/"+url.PathEscape(p.patient)+"?"+filter.Encode(), "?")
	p.round = round{Sites: v.round(p.patient).Sites}
	p.round.Sites.turn("unasked", "asking")
	h := v.c.Writer.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("X-Accel-Buffering", "no")
	v.c.Status(http.StatusOK)
	p.tell()

	type outcome struct {
		set fhir.Bundle
		err error
	}
	heard, done := make(chan federation.Hearing), make(chan outcome, 1)
	finished := make(chan struct{})
	actor, _ := v.asking(p.patient)
	search := recordQuery(p.patient, q)
	search.Del("_count")
	search.Set("_summary", "count")
	go func() {
		defer close(finished)
		set, err := v.search(actor, search, "60", func(h federation.Hearing) {
			select {
			case heard <- h:
			case <-v.ctx.Done():
			}
		})
		done <- outcome{set, err}
	}()
	defer func() { <-finished }()
	offer, slow := time.NewTimer(offerAfter), time.NewTimer(slowAfter)
	defer offer.Stop()
	defer slow.Stop()
	for {
		select {
		case <-v.ctx.Done():
			return nil
		case h := <-heard:
			p.round.hear(h)
			p.arrived = p.arrived || h.New
			v.keepRound(p.patient, p.round)
			p.tell()
			p.offer()
		case <-offer.C:
			p.offering = true
			p.offer()
		case <-slow.C:
			p.round.Sites.turn("asking", "slow")
			p.tell()
		case o := <-done:
			p.end(o.set, o.err, seen)
			return nil
		}
	}
}

// tell sends the rows of the sites and how many have answered.
func (p *progress) tell() {
	var rows bytes.Buffer
	if p.pages[p.language]["records"].ExecuteTemplate(&rows, "strip", p.byName(p.round.Sites)) == nil {
		p.event("sites", rows.String())
	}
	p.event("answered", p.words.say(p.language, "records.answered", "n", p.round.Sites.answered(), "of", len(p.round.Sites)))
}

// offer sends the link to what has arrived, when something has and it is time.
func (p *progress) offer() {
	if p.arrived && p.offering {
		p.event("arrived", `<a href="`+p.link()+`">`+p.words.say(p.language, "records.arrived")+`</a>`)
	}
}

// link is the address of the page as it stands in an attribute.
func (p *progress) link() string { return strings.ReplaceAll(p.list, "&", "&amp;") }

// end sends what became of every site, and whether the page opened again shows more.
func (p *progress) end(set fhir.Bundle, err error, seen int) {
	if err != nil {
		p.event("done", p.words.say(p.language, "records.broken"))
		return
	}
	p.silent(set, &p.round.Sites)
	p.round.Sites.turn("asking", "late") // the exchange no longer names it
	p.round.Sites.turn("slow", "late")
	p.round.Done = true
	p.keepRound(p.patient, p.round)
	p.tell()
	said := p.words.say(p.language, "records.nomore")
	if set.Total != nil && *set.Total > seen {
		said = `<a href="` + p.link() + `">` + p.words.count(p.language, "records.more", *set.Total-seen) + `</a>`
	}
	if p.round.Sites.answered() < len(p.round.Sites) {
		said += ` · <a href="/patients/` + url.PathEscape(p.patient) + `?wait=5">` + p.words.say(p.language, "records.wait") + `</a>`
	}
	p.event("done", said)
}

// event writes one server-sent event.
func (v *visit) event(name, data string) {
	var b strings.Builder
	fmt.Fprintf(&b, "event: %s\n", name)
	for line := range strings.SplitSeq(data, "\n") {
		fmt.Fprintf(&b, "data: %s\n", line)
	}
	b.WriteString("\n")
	_, _ = v.c.Writer.WriteString(b.String()) // a browser that has gone misses nothing
	v.c.Writer.Flush()
}
