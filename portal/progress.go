package portal

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/internal/fhir"
)

// progress answers GET /patients/:patient/progress?seen=N with server-sent events: while sites are being asked, the strip
// of sites once a second ("sites"); at the end what became of each, and whether more than the N documents already seen
// may be shown ("done"). It counts and shows nothing of the documents, so that it discloses no more than the page did.
//
// Source: WHATWG HTML, Server-sent events; spec ux D2.
func (v *visit) progress() error {
	id := v.c.Param("patient")
	seen, err := strconv.Atoi(v.c.Query("seen"))
	if err != nil || seen < 0 {
		seen = 0
	}
	actor, _ := v.asking(id)
	h := v.c.Writer.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("X-Accel-Buffering", "no")
	v.c.Status(http.StatusOK)

	type outcome struct {
		set fhir.Bundle
		err error
	}
	done := make(chan outcome, 1)
	q := url.Values{"patient": {"Patient/" + id}, "status": {"current"}, "_summary": {"count"}}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		var o outcome
		var a answer
		a, o.err = v.callAs(actor, http.MethodPost, "/fhir/DocumentReference/_search", []byte(q.Encode()), "Content-Type", "application/x-www-form-urlencoded", "Prefer", "wait=5")
		if o.err == nil {
			o.err = a.into(&o.set)
		}
		done <- o
	}()
	defer func() { <-finished }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for seconds := 0; ; {
		select {
		case <-v.ctx.Done():
			return nil
		case <-tick.C:
			seconds++
			v.event("sites", "<li>"+v.words.say(v.language, "records.asking", "n", seconds)+"</li>")
		case o := <-done:
			if o.err != nil {
				v.event("done", "")
				return nil
			}
			var list bytes.Buffer
			states := v.silent(o.set)
			if facets, err := v.facets(actor, id); err == nil {
				states = strip(states, facets, nil)
			}
			if err := v.pages[v.language]["records"].ExecuteTemplate(&list, "strip", states); err == nil {
				v.event("sites", list.String())
			}
			more := v.words.say(v.language, "records.nomore")
			if o.set.Total != nil && *o.set.Total > seen {
				more = `<a href="/patients/` + url.PathEscape(id) + `?wait=1">` + v.words.count(v.language, "records.more", *o.set.Total-seen) + `</a>`
			}
			v.event("done", more)
			return nil
		}
	}
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
