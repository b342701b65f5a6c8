package egress

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
)

// Do sends req and returns the answer's header; the caller reads and closes the body. A GET follows at most
// three redirects, each checked as the first address was, never from https to http, and without the caller's
// credentials once the origin changes; any other method follows none and returns the redirect itself.
//
// Errors are ErrBlocked, ErrConnect, ErrBroken or the context's own, and quote nothing.
func (g *Guard) Do(req *http.Request) (*http.Response, error) {
	if err := g.CheckURL(req.URL); err != nil {
		return nil, err
	}
	client := http.Client{Transport: g.transport, CheckRedirect: g.redirect}
	resp, err := client.Do(req)
	if err != nil {
		if resp != nil {
			_ = resp.Body.Close()
		}
		return nil, clean(req.Context(), err)
	}
	return resp, nil
}

func (g *Guard) redirect(next *http.Request, via []*http.Request) error {
	first, last := via[0], via[len(via)-1]
	if first.Method != http.MethodGet {
		return http.ErrUseLastResponse
	}
	if len(via) > maxRedirects || (last.URL.Scheme == "https" && next.URL.Scheme != "https") {
		return ErrBlocked
	}
	if err := g.CheckURL(next.URL); err != nil {
		return err
	}
	if !sameOrigin(first.URL, next.URL) {
		next.Header.Del("Authorization")
		next.Header.Del("Cookie")
	}
	next.Header.Del("Referer") // a document's url is nobody else's business
	return nil
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && a.Hostname() == b.Hostname() && portOf(a) == portOf(b)
}

// SameOrigin reports whether a and b have one scheme, host and port: what a site's credential may be shown to.
func SameOrigin(a, b *url.URL) bool { return sameOrigin(a, b) }

// clean maps a transport's error to one that quotes nothing.
func clean(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, ErrBlocked):
		return ErrBlocked
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, ErrConnect):
		return ErrConnect
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return ErrConnect
	}
	return ErrBroken
}
