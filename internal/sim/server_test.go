package sim

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// serve starts site's server and returns it with its FHIR base.
func serve(t *testing.T, r *Region, site Site) (*Server, string) {
	t.Helper()
	ts := httptest.NewUnstartedServer(nil)
	base := "http://" + ts.Listener.Addr().String() + "/fhir"
	s := NewServer(r, site, base)
	ts.Config.Handler = s
	ts.Start()
	t.Cleanup(ts.Close)
	return s, base
}

type searchset struct {
	Total int
	Link  []struct{ Relation, URL string }
	Entry []struct {
		Resource struct {
			ID      string
			Content []struct {
				Attachment struct {
					ContentType, URL, Hash string
					Size                   int
				}
			}
		}
	}
}

func fetch(t *testing.T, address, accept string) (int, http.Header, []byte) {
	t.Helper()
	req, _ := http.NewRequest(http.MethodGet, address, nil)
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, b
}

func TestASiteFindsItsPatientsDocumentsAndServesTheirBytes(t *testing.T) {
	r := region(t, 1, 20, 5)
	site, _ := r.Site(hospital)
	_, base := serve(t, r, site)
	id := url.QueryEscape(site.Authority + "|HG-20417")
	status, _, body := fetch(t, base+"/DocumentReference?patient.identifier="+id+"&status=current&unheard-of=1", "")
	var found searchset
	if err := json.Unmarshal(body, &found); err != nil || status != 200 {
		t.Fatalf("status %d, %v", status, err)
	}
	if found.Total != 3 || len(found.Entry) != 3 {
		t.Fatalf("total %d, entries %d; want 3", found.Total, len(found.Entry))
	}
	for _, e := range found.Entry {
		a := e.Resource.Content[0].Attachment
		status, header, content := fetch(t, a.URL, "")
		if status != 200 || header.Get("Content-Type") != a.ContentType || Hash(content) != a.Hash || len(content) != a.Size {
			t.Errorf("status %d, type %s, %d bytes do not fit the reference", status, header.Get("Content-Type"), len(content))
		}
		if status, _, wrapped := fetch(t, a.URL, "application/fhir+json"); status != 200 || !json.Valid(wrapped) {
			t.Errorf("a client that accepts FHIR JSON alone got %d", status)
		}
	}
	form := url.Values{"patient.identifier": {site.Authority + "|HG-20417"}}
	res, err := http.PostForm(base+"/DocumentReference/_search", form)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if posted, _ := io.ReadAll(res.Body); !bytes.Contains(posted, []byte(`"total":3`)) {
		t.Error("a form POST must find the same")
	}
}

func TestASiteTellsNothingOfPatientsItDoesNotKnow(t *testing.T) {
	r := region(t, 1, 20, 5)
	site, _ := r.Site(hospital)
	_, base := serve(t, r, site)
	for _, id := range []string{site.Authority + "|" + Unknown, "urn:other|HG-20417"} {
		status, _, body := fetch(t, base+"/DocumentReference?patient.identifier="+url.QueryEscape(id), "")
		var found searchset
		if err := json.Unmarshal(body, &found); err != nil || status != 200 || found.Total != 0 {
			t.Errorf("status %d, total %d, %v", status, found.Total, err)
		}
	}
	for path, want := range map[string]int{"/Binary/x": 404, "/Patient": 404, "/DocumentReference": 400, "/DocumentReference?_page=forged": 400, "/metadata": 200} {
		if status, _, _ := fetch(t, base+path, ""); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
}

func TestPagesOfTheHeavyPersonAreWholeAndDistinct(t *testing.T) {
	r := region(t, 1, 20, 5)
	site, _ := r.Site(hospital)
	_, base := serve(t, r, site)
	seen := map[string]bool{}
	next := base + "/DocumentReference?_count=500&patient.identifier=" + url.QueryEscape(site.Authority+"|HG-20425")
	for pages := 0; next != ""; pages++ {
		if strings.Contains(next, "_page=") && strings.Contains(next, "HG-20425") {
			t.Fatal("a link to the next page must not name the patient")
		}
		_, _, body := fetch(t, next, "")
		var found searchset
		if err := json.Unmarshal(body, &found); err != nil || found.Total != 4700 {
			t.Fatalf("total %d, %v", found.Total, err)
		}
		next = ""
		for _, l := range found.Link {
			if l.Relation == "next" {
				next = l.URL
			}
		}
		for _, e := range found.Entry {
			if seen[e.Resource.ID] {
				t.Fatal("an entry came twice")
			}
			seen[e.Resource.ID] = true
		}
		if pages > 10 {
			t.Fatal("pages do not end")
		}
	}
	if len(seen) != 4700 {
		t.Errorf("%d documents in all pages", len(seen))
	}
}

func TestTheSlowSiteIsSlowAndTheFailingSiteFails(t *testing.T) {
	r := region(t, 1, 20, 5)
	slow, _ := r.Site(cardiology)
	slow.Delay = 80 * time.Millisecond
	_, base := serve(t, r, slow)
	began := time.Now()
	if status, _, _ := fetch(t, base+"/metadata", ""); status != 200 || time.Since(began) < slow.Delay {
		t.Errorf("status %d after %v", status, time.Since(began))
	}
	failing, _ := r.Site(recovery)
	server, base := serve(t, r, failing)
	var got []int
	for range 6 {
		res, err := http.Get(base + "/metadata")
		if err != nil {
			got = append(got, 0)
			continue
		}
		_ = res.Body.Close()
		got = append(got, res.StatusCode)
	}
	// net/http itself repeats a GET whose kept-alive connection was closed, so a reset may hide behind the answer after it.
	if came, served := server.Requests(); got[0] != 500 || served*3 > came {
		t.Errorf("statuses %v, %d of %d served; want one in three", got, served, came)
	}
}
