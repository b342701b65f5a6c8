package federationhttp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/locator"
)

// Fetch implements federation.Sites: it opens the bytes of p at its site. The body ends with an error when it stays
// silent for Idle or trickles below 64 KiB in Drip. The permit is held until the body is closed.
func (s *Sites) Fetch(ctx context.Context, p locator.Pointer) (federation.Body, error) {
	site, e, err := s.endpoint(p.Location.Site, p.Location.Endpoint)
	if err != nil {
		return federation.Body{}, err
	}
	if site.ID != p.Site {
		return federation.Body{}, failed("location of another site")
	}
	address, ok := locator.Address(s.Network(), p.Location)
	if !ok {
		return federation.Body{}, failed("no address")
	}
	ctx, cancel := context.WithCancel(ctx)
	// The header has its own limit in the guard; this timer is for the body.
	accept := p.ContentType
	if accept == "" {
		accept = "*/*"
	}
	resp, release, err := s.call(ctx, s.gate(e, "fetch"), func() (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, failed("no address")
		}
		req.Header.Set("Accept", accept)
		return req, s.prepare(req, e, "")
	})
	if err != nil {
		cancel()
		return federation.Body{}, err
	}
	b := &body{rc: resp.Body, cancel: cancel, release: release, idle: s.Idle, drip: s.Drip}
	return federation.Body{ReadCloser: b, ContentType: resp.Header.Get("Content-Type"), Length: resp.ContentLength, Framed: framed(resp)}, nil
}

// framed reports whether the transfer tells its end from a break: by length, by chunks or by HTTP/2 frames.
func framed(resp *http.Response) bool {
	return resp.ContentLength >= 0 || resp.ProtoMajor >= 2 || (len(resp.TransferEncoding) > 0 && resp.TransferEncoding[0] == "chunked")
}

var errSlow = errors.New("federationhttp: body too slow")

// dripBytes is how much of a body must come within drip.
const dripBytes = 64 << 10

// A body is a site's answer that may neither fall silent nor trickle. Only time spent waiting for the site counts.
type body struct {
	rc      io.ReadCloser
	cancel  context.CancelFunc
	release func()
	idle    time.Duration
	drip    time.Duration

	waited time.Duration // in the present stretch of dripBytes
	n      int
	once   sync.Once
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.waited >= b.drip {
		return 0, errSlow
	}
	start := time.Now()
	timer := time.AfterFunc(min(b.idle, b.drip-b.waited), b.cancel)
	n, err := b.rc.Read(p)
	if !timer.Stop() && err == nil {
		err = errSlow
	}
	b.waited += time.Since(start)
	if b.n += n; b.n >= dripBytes {
		b.n, b.waited = 0, 0
	}
	return n, err
}

// Close implements io.Closer. It ends the transfer, whatever is left of it.
func (b *body) Close() error {
	b.once.Do(func() {
		b.cancel()
		_ = b.rc.Close() // what is left is not wanted
		b.release()
	})
	return nil
}
