package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// page measures the page of outside records of a patient with 5,000 documents, as a clinician's browser asks for it: session,
// search, counts by kind and place, HTML. It runs on a demo of its own, whose identity provider signs the clinician in.
//
// Source: issue 5 (p95 ≤ 300 ms).
func (b *bencher) page() {
	p := &pagesUnderTest{}
	p.demo, p.dir = runDemo(b.t)
	doctor := p.knocker(b.t, "dr-bloom")
	path := "/patients/" + doctor.first(http.MethodPost, "/find", url.Values{"number": {"RF-1009"}}, `href="/patients/([a-z0-9]+)\?wait=1"`)
	open := func(ctx context.Context, _, _ int) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, doctor.base+path, nil)
		if err != nil {
			return err
		}
		answer, err := doctor.http.Do(r)
		if err != nil {
			return err
		}
		defer func() { _ = answer.Body.Close() }()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", answer.StatusCode)
		}
		return nil
	}
	b.here = true // the demo runs in this process
	defer func() { b.here = false }()
	for _, callers := range []int{1, 4} {
		b.add(b.measure("list page of a 5,000-document patient", "p95 ≤ 300 ms", callers, open))
	}
}
