package main

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/concord-hie/concord/server"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// A contract stands between the clients of a test and the node and checks everything said under /admin against the
// OpenAPI document: each answer, and each request the node took for good.
type contract struct {
	t      testing.TB
	next   http.RoundTripper
	router routers.Router
	mu     *sync.Mutex
	// kept counts the requests answered well, by operation.
	kept map[string]int
}

// underContract puts a contract before every client of x.
func underContract(t testing.TB, x *exchangeUnderTest) *contract {
	t.Helper()
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(server.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(loader.Context, openapi3.IsOpenAPI31OrLater()); err != nil {
		t.Fatal(err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	all := &contract{t: t, router: router, mu: &sync.Mutex{}, kept: map[string]int{}}
	for _, c := range x.clients {
		own := *all
		own.next = c.api.http.Transport
		c.api.http.Transport = &own
	}
	return all
}

// RoundTrip implements http.RoundTripper.
func (c *contract) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(r.URL.Path, "/admin/") {
		return c.next.RoundTrip(r)
	}
	var sent []byte
	if r.Body != nil {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	resp, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(got))
	c.check(r, sent, resp, got)
	return resp, nil
}

func (c *contract) check(r *http.Request, sent []byte, resp *http.Response, got []byte) {
	route, params, err := c.router.FindRoute(r)
	if err != nil {
		if resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusMethodNotAllowed {
			c.t.Errorf("%s: answered %d, and is not in the OpenAPI document", r.Method, resp.StatusCode)
		}
		return
	}
	at := r.Method + " " + route.Path
	again := r.Clone(r.Context())
	again.Body = io.NopCloser(bytes.NewReader(sent))
	if media := again.Header.Get("Content-Type"); media == "application/fhir+json" {
		again.Header.Set("Content-Type", "application/json") // taken for it
	}
	asked := &openapi3filter.RequestValidationInput{Request: again, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}}
	if resp.StatusCode < 400 {
		if err := openapi3filter.ValidateRequest(r.Context(), asked); err != nil {
			c.t.Errorf("%s was taken and is no request of the OpenAPI document: %v", at, err)
		}
	}
	answered := &openapi3filter.ResponseValidationInput{RequestValidationInput: asked, Status: resp.StatusCode, Header: resp.Header, Options: asked.Options}
	answered.SetBodyBytes(got)
	if err := openapi3filter.ValidateResponse(r.Context(), answered); err != nil {
		c.t.Errorf("%s: the answer %d is not as the OpenAPI document has it: %v", at, resp.StatusCode, err)
	}
	if resp.StatusCode < 400 {
		c.mu.Lock()
		c.kept[at]++
		c.mu.Unlock()
	}
}

// parameter is a part of a route that stands for a value.
var parameter = regexp.MustCompile(`:([a-z]+)`)

// covered reports each operation of the document that was never answered well.
func (c *contract) covered(t testing.TB, routes []server.Route) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range routes {
		if !strings.HasPrefix(r.Path, "/admin/v1/") {
			continue
		}
		path := parameter.ReplaceAllString(r.Path, "{$1}")
		if c.kept[r.Method+" "+path] == 0 {
			t.Errorf("no good answer was checked of %s %s", r.Method, path)
		}
	}
}
