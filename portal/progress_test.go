package portal

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
)

// siteAPI answers a search with total documents and with what became of sites that did not answer: "Oak Street late".
// Documents of the index are at Oak.
func siteAPI(total int, silent ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/_search") && strings.HasPrefix(r.URL.Path, "/fhir/DocumentReference"):
			var issues []string
			for _, s := range silent {
				at := strings.LastIndexByte(s, ' ')
				issues = append(issues, fmt.Sprintf(`{"severity":"warning","code":"timeout","diagnostics":"%s did not answer.","details":{"text":"%s"}}`, s[:at], s[at+1:]))
			}
			_, _ = fmt.Fprintf(w, `{"resourceType":"Bundle","type":"searchset","total":%d,"entry":[{"resource":{"resourceType":"OperationOutcome","issue":[%s]},"search":{"mode":"outcome"}}]}`, total, strings.Join(issues, ","))
		case strings.HasSuffix(r.URL.Path, "/$presence"):
			_, _ = w.Write([]byte(`{"resourceType":"Parameters","parameter":[{"name":"presence","part":[{"name":"site","valueReference":{"reference":"Organization/oak"}},{"name":"count","valueInteger":2}]}]}`))
		case strings.HasPrefix(r.URL.Path, "/fhir/Patient/"):
			_, _ = w.Write([]byte(`{"resourceType":"Patient","id":"p1","name":[{"text":"Ada Brandt"}]}`))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}
}

// An arrival is one event of a stream and how long after its beginning it was sent.
type arrival struct {
	after time.Duration
	event string
}

// stamped notes when each event of a stream was sent.
type stamped struct {
	*httptest.ResponseRecorder
	start    time.Time
	seen     int
	arrivals []arrival
}

func (s *stamped) Flush() {
	for part := range strings.SplitSeq(strings.TrimSuffix(s.Body.String()[s.seen:], "\n\n"), "\n\n") {
		s.arrivals = append(s.arrivals, arrival{time.Since(s.start), part})
	}
	s.seen = s.Body.Len()
}

// stream follows the progress of a page.
func (b *browser) stream(path string) *stamped {
	r := httptest.NewRequest(http.MethodGet, testBase+path, nil)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	s := &stamped{ResponseRecorder: httptest.NewRecorder(), start: time.Now()}
	b.w.ServeHTTP(s, r)
	return s
}

// at says that some event holding words was sent after that long, and none before.
func (s *stamped) at(t *testing.T, after time.Duration, words string) {
	t.Helper()
	for _, a := range s.arrivals {
		if strings.Contains(a.event, words) {
			if a.after != after {
				t.Errorf("%q was sent after %v, want %v", words, a.after, after)
			}
			return
		}
	}
	t.Errorf("%q was not sent:\n%s", words, s.Body)
}

func TestSitesAreShownAsTheyAnswerWithoutHoldingUpTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.signIn(identities()[access.DutyClinician])
		var waited []string
		unasked := siteAPI(2, "Oak Street unasked", "Elm Clinic unasked")
		w.api.answer = func(rw http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/_search") {
				waited = append(waited, r.Header.Get("Prefer"))
			}
			unasked(rw, r)
		}
		page := b.get("/patients/p1?kind=k&status=all").Body.String()
		for _, want := range []string{"1 of 3 places answered.", "Oak Street <span", "not asked yet", `data-progress="/patients/p1/progress?kind=k&amp;seen=2&amp;status=all"`, `href="/patients/p1?wait=1"`} {
			if !strings.Contains(page, want) {
				t.Errorf("the list lacks %q", want)
			}
		}
		if len(waited) != 1 || waited[0] != "wait=0" {
			t.Errorf("the list waited for sites: %v", waited)
		}

		w.api.answer = siteAPI(5, "Elm Clinic late")
		w.api.hears = func(heard func(federation.Hearing)) {
			time.Sleep(time.Second)
			heard(federation.Hearing{Site: "oak-main", Fate: federation.Answered, New: true})
			time.Sleep(29 * time.Second)
			heard(federation.Hearing{Site: "elm", Fate: federation.Late})
		}
		s := b.stream("/patients/p1/progress?kind=k&seen=2&status=all")
		if got := s.Header().Get("Content-Type"); got != "text/event-stream; charset=utf-8" {
			t.Errorf("Content-Type %q", got)
		}
		s.at(t, 0, ">asking<")
		s.at(t, 0, "1 of 3 places answered.")
		s.at(t, time.Second, "2 of 3 places answered.")
		s.at(t, 2*time.Second, `event: arrived`+"\n"+`data: <a href="/patients/p1?kind=k&amp;status=all">More documents have arrived`)
		s.at(t, 8*time.Second, "slow, still asking")
		s.at(t, 8*time.Second, "410-555-0177")
		s.at(t, 30*time.Second, "no answer in time, call them")
		s.at(t, 30*time.Second, `event: done`+"\n"+`data: <a href="/patients/p1?kind=k&amp;status=all">3 more documents have arrived: show them</a> · <a href="/patients/p1?wait=5">`)

		// The page opened again rests on what was told and asks nobody.
		w.api.answer, w.api.hears = siteAPI(5, "Oak Street unasked", "Elm Clinic unasked"), nil
		page = b.get("/patients/p1").Body.String()
		if !strings.Contains(page, "2 of 3 places answered.") || strings.Contains(page, "data-progress") || !strings.Contains(page, `href="/patients/p1?wait=5"`) {
			t.Errorf("the page opened again: %s", page[strings.Index(page, "places answered")-20:])
		}
		other := w.browser()
		other.signIn(identities()[access.DutyClinician])
		if page := other.get("/patients/p1").Body.String(); !strings.Contains(page, "1 of 3 places answered.") || !strings.Contains(page, "data-progress") {
			t.Error("another session rests on what sites told this one")
		}
	})
}

func TestWhereNothingArrivesTheStreamSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.signIn(identities()[access.DutyClinician])
		w.api.answer = siteAPI(2)
		w.api.hears = func(heard func(federation.Hearing)) {
			time.Sleep(3 * time.Second)
			heard(federation.Hearing{Site: "elm", Fate: federation.Empty})
		}
		s := b.stream("/patients/p1/progress?seen=2")
		s.at(t, 3*time.Second, "1 of 1 places answered.")
		s.at(t, 3*time.Second, "event: done\ndata: Nothing new has arrived.")
		if strings.Contains(s.Body.String(), "event: arrived") {
			t.Error("something is said to have arrived")
		}
		w.api.answer = nil
		b.stream("/patients/p1/progress?seen=x").at(t, 3*time.Second, "event: done\ndata: The places could not all be asked.")
	})
}

func TestWithoutScriptThePageAsksAndWaits(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn(identities()[access.DutyClinician])
	answer := siteAPI(3, "Elm Clinic late")
	for wait, want := range map[string]string{"1": "wait=1", "5": "wait=5", "9": "wait=0"} {
		w.api.hears = func(heard func(federation.Hearing)) {
			heard(federation.Hearing{Site: hie.SiteID("oak-main"), Fate: federation.Answered, New: true})
		}
		got := ""
		w.api.answer = func(rw http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/_search") {
				got = r.Header.Get("Prefer")
			}
			answer(rw, r)
		}
		page := b.get("/patients/p1?wait=" + wait).Body.String()
		if got != want {
			t.Errorf("?wait=%s asks with %q, want %q", wait, got, want)
		}
		if wait != "9" && (!strings.Contains(page, "2 of 3 places answered.") || !strings.Contains(page, "no answer in time") || strings.Contains(page, "data-progress")) {
			t.Errorf("?wait=%s does not say what became of each place:\n%s", wait, page)
		}
	}
}
