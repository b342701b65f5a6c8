package portal

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/concord-hie/concord/access"
)

// slowAPI answers a search with total documents and, when late, with a site that did not answer.
func slowAPI(total int, late bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/_search") && strings.HasPrefix(r.URL.Path, "/fhir/DocumentReference"):
			issue := ""
			if late {
				issue = `{"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"timeout","diagnostics":"Oak Street did not answer in time.","details":{"text":"late"}}]},"search":{"mode":"outcome"}}`
			}
			_, _ = fmt.Fprintf(w, `{"resourceType":"Bundle","type":"searchset","total":%d,"entry":[%s]}`, total, issue)
		case strings.HasSuffix(r.URL.Path, "/$presence"):
			_, _ = w.Write([]byte(`{"resourceType":"Parameters","parameter":[{"name":"presence","part":[{"name":"site","valueReference":{"reference":"Organization/oak-main"}},{"name":"count","valueInteger":2}]}]}`))
		case strings.HasPrefix(r.URL.Path, "/fhir/Patient/"):
			_, _ = w.Write([]byte(`{"resourceType":"Patient","id":"p1","name":[{"text":"Ada Brandt"}]}`))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}
}

func TestASlowSiteIsShownAndAskedOnWithoutHoldingUpTheList(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn(identities()[access.DutyClinician])
	w.api.answer = slowAPI(2, true)
	page := b.get("/patients/p1").Body.String()
	for _, want := range []string{"Oak Street <span", "slow, still asking", `data-progress="/patients/p1/progress?seen=2"`, `href="/patients/p1?wait=1"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the list lacks %q", want)
		}
	}
	w.api.answer = slowAPI(5, false)
	r := b.get("/patients/p1/progress?seen=2")
	stream := r.Body.String()
	if r.Header().Get("Content-Type") != "text/event-stream; charset=utf-8" || !strings.Contains(stream, "event: sites\n") || !strings.Contains(stream, "answered") ||
		!strings.Contains(stream, `event: done`+"\n"+`data: <a href="/patients/p1?wait=1">3 more documents have arrived: show them</a>`) {
		t.Errorf("the stream says:\n%s", stream)
	}
	w.api.answer = slowAPI(2, false)
	if stream := b.get("/patients/p1/progress?seen=2").Body.String(); !strings.Contains(stream, "Nothing new has arrived.") {
		t.Errorf("nothing new: the stream says:\n%s", stream)
	}
	w.api.answer = nil
	if stream := b.get("/patients/p1/progress?seen=x").Body.String(); !strings.Contains(stream, "event: done\ndata: \n") {
		t.Errorf("a search that fails: the stream says:\n%s", stream)
	}
}
