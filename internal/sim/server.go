package sim

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A Server is a site's own FHIR R4 server: metadata, DocumentReference search by the site's patient identifier
// (GET and form POST, pages), and Binary. It speaks for one site of a region and knows nothing of Concord.
type Server struct {
	// Kept, if set, returns a document the site was given from outside the region, by the name in its Binary URL.
	Kept func(name string) (contentType string, body []byte, ok bool)

	region *Region
	site   Site
	base   string
	mux    *http.ServeMux

	requests atomic.Int64
	served   atomic.Int64
}

const (
	fhirJSON = "application/fhir+json; charset=utf-8"
	pageSize = 100 // entries a page when the client does not say
	maxPage  = 500
)

// NewServer returns the server of site whose FHIR base URL is base, without a trailing slash; the path of base
// is where it answers.
func NewServer(region *Region, site Site, base string) *Server {
	s := &Server{region: region, site: site, base: base, mux: http.NewServeMux()}
	prefix := ""
	if u, err := url.Parse(base); err == nil {
		prefix = u.Path
	}
	s.mux.HandleFunc("GET "+prefix+"/metadata", s.metadata)
	s.mux.HandleFunc("GET "+prefix+"/DocumentReference", s.search)
	s.mux.HandleFunc("POST "+prefix+"/DocumentReference/_search", s.search)
	s.mux.HandleFunc("GET "+prefix+"/Binary/{id}", s.binary)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "not-found", "There is nothing here.")
	})
	return s
}

// Requests returns how many requests came, and how many of them were answered in earnest.
func (s *Server) Requests() (came, served int64) { return s.requests.Load(), s.served.Load() }

// ServeHTTP implements http.Handler, with the site's slowness and faults.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := s.requests.Add(1)
	if s.site.Delay > 0 {
		select {
		case <-time.After(s.site.Delay):
		case <-r.Context().Done():
			return
		}
	}
	if s.site.Faults {
		switch n % 3 {
		case 1:
			refuse(w, http.StatusInternalServerError, "exception", "The server has failed, as it was made to.")
			return
		case 2:
			panic(http.ErrAbortHandler) // closes the connection without an answer
		}
	}
	s.served.Add(1)
	s.mux.ServeHTTP(w, r)
}

func (s *Server) metadata(w http.ResponseWriter, _ *http.Request) {
	type object = map[string]any
	send(w, http.StatusOK, object{"resourceType": "CapabilityStatement", "status": "active", "date": Today.Format(time.DateOnly), "kind": "instance",
		"software": object{"name": "Concord site simulator", "version": "1"}, "fhirVersion": "4.0.1", "format": []string{"json"}, "implementation": object{"description": s.site.Name, "url": s.base},
		"rest": []object{{"mode": "server", "resource": []object{
			{"type": "DocumentReference", "interaction": []object{{"code": "search-type"}}, "searchParam": []object{
				{"name": "patient.identifier", "type": "token"}, {"name": "status", "type": "token"}, {"name": "type", "type": "token"}, {"name": "category", "type": "token"}}},
			{"type": "Binary", "interaction": []object{{"code": "read"}}},
		}}}})
}

// search answers DocumentReference searches by patient.identifier: newest first, status, type and category
// honoured, parameters it does not know ignored (FHIR R4 search 3.1.1.3: lenient).
func (s *Server) search(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "invalid", "The parameters cannot be read.")
		return
	}
	q, skip, ok := s.continued(r.Form)
	if !ok {
		refuse(w, http.StatusBadRequest, "invalid", "This page is not one of ours.")
		return
	}
	system, local, found := strings.Cut(q.Get("patient.identifier"), "|")
	if !found || local == "" {
		refuse(w, http.StatusBadRequest, "required", "patient.identifier=system|value is needed.")
		return
	}
	size := pageSize
	if n, err := strconv.Atoi(q.Get("_count")); err == nil && n > 0 {
		size = min(n, maxPage)
	}
	var documents []Document
	if g, known := s.region.Registered(s.site.ID, local); known && system == s.site.Authority {
		documents = s.matching(g, q)
	}
	s.page(w, q, documents, skip, size)
}

// continued returns the search that form asks for, or the one whose next page it asks for.
func (s *Server) continued(form url.Values) (q url.Values, skip int, ok bool) {
	sealed := form.Get("_page")
	if sealed == "" {
		return form, 0, true
	}
	payload, err := s.region.ids.Open("page "+s.site.ID, sealed)
	if err != nil {
		return nil, 0, false
	}
	q, err = url.ParseQuery(string(payload))
	if err != nil {
		return nil, 0, false
	}
	skip, err = strconv.Atoi(q.Get("_skip"))
	return q, skip, err == nil && skip >= 0
}

func (s *Server) matching(g Registration, q url.Values) []Document {
	if !tokenMatches(q["status"], Code{"http://hl7.org/fhir/document-reference-status", "current", ""}) {
		return nil
	}
	var out []Document
	for n := g.Documents - 1; n >= 0; n-- {
		d := s.region.Document(g, n)
		if tokenMatches(q["type"], d.Type) && tokenMatches(q["category"], d.Category) {
			out = append(out, d)
		}
	}
	return out
}

// tokenMatches reports whether c is among the alternatives of every repetition.
func tokenMatches(sought []string, c Code) bool {
	for _, repetition := range sought {
		if repetition == "" {
			continue
		}
		if !slices.ContainsFunc(strings.Split(repetition, ","), func(v string) bool {
			system, code, coded := strings.Cut(v, "|")
			return v == c.Code || coded && (system == "" || system == c.System) && (code == "" || code == c.Code)
		}) {
			return false
		}
	}
	return true
}

func (s *Server) page(w http.ResponseWriter, q url.Values, found []Document, skip, size int) {
	type entry struct {
		FullURL  string            `json:"fullUrl"`
		Resource json.RawMessage   `json:"resource"`
		Search   map[string]string `json:"search"`
	}
	type link struct {
		Relation string `json:"relation"`
		URL      string `json:"url"`
	}
	bundle := struct {
		ResourceType string  `json:"resourceType"`
		Type         string  `json:"type"`
		Total        int     `json:"total"`
		Link         []link  `json:"link"`
		Entry        []entry `json:"entry,omitempty"`
	}{ResourceType: "Bundle", Type: "searchset", Total: len(found), Link: []link{{"self", s.base + "/DocumentReference"}}}
	skip = min(skip, len(found))
	end := min(skip+size, len(found))
	for _, d := range found[skip:end] {
		resource := d.Reference(s.base)
		resource = append([]byte(`{"id":"`+d.ID+`",`), resource[1:]...)
		bundle.Entry = append(bundle.Entry, entry{s.base + "/DocumentReference/" + d.ID, resource, map[string]string{"mode": "match"}})
	}
	if end < len(found) {
		next := url.Values{}
		for _, name := range []string{"patient.identifier", "status", "type", "category", "_count"} {
			if v, has := q[name]; has {
				next[name] = v
			}
		}
		next.Set("_skip", strconv.Itoa(end))
		bundle.Link = append(bundle.Link, link{"next", s.base + "/DocumentReference?_page=" + s.region.ids.Seal("page "+s.site.ID, []byte(next.Encode()))})
	}
	send(w, http.StatusOK, bundle)
}

// binary answers with a document's bytes as they are, or as a Binary resource to a client that accepts FHIR
// JSON alone.
//
// Source: FHIR R4 Binary, 2.16.3 (content negotiation).
func (s *Server) binary(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("id")
	contentType, body, ok := s.bytes(name)
	if !ok {
		refuse(w, http.StatusNotFound, "not-found", "There is no such document.")
		return
	}
	w.Header().Set("ETag", `W/"1"`)
	if accept := r.Header.Get("Accept"); strings.HasPrefix(accept, "application/fhir+json") && contentType != "application/fhir+json" {
		send(w, http.StatusOK, map[string]string{"resourceType": "Binary", "id": name, "contentType": contentType, "data": base64.StdEncoding.EncodeToString(body)})
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body) // the client has gone
}

func (s *Server) bytes(name string) (contentType string, body []byte, ok bool) {
	if d, ok := s.region.ByID(s.site.ID, name); ok {
		return d.ContentType, d.Bytes(), true
	}
	if s.Kept != nil {
		return s.Kept(name)
	}
	return "", nil, false
}

func refuse(w http.ResponseWriter, status int, code, text string) {
	send(w, status, map[string]any{"resourceType": "OperationOutcome",
		"issue": []map[string]string{{"severity": "error", "code": code, "diagnostics": text}}})
}

func send(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", fhirJSON)
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(fmt.Sprintf("sim: %v", err)) // net/http logs it and closes the connection
	}
}
