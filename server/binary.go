package server

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/locator/locatorfhir"
	"github.com/gin-gonic/gin"
)

// Exchange is what the document doors ask of federation. *federation.Exchange is one; its methods say what each does.
type Exchange interface {
	Find(ctx context.Context, actor hie.Actor, q federation.Query) (federation.Found, error)
	Presence(ctx context.Context, actor hie.Actor, q federation.Query) ([]federation.Whereabouts, error)
	Retrieve(ctx context.Context, actor hie.Actor, handle federation.Handle) (*federation.Document, error)
	Show(ctx context.Context, actor hie.Actor, handle federation.Handle) (federation.Entry, error)
}

// The kinds of sealed ids of retrieve handles.
const (
	kindBinary = "binary" // of a pointer of the index
	kindLive   = "live"   // of a document a live site told of
)

// binaryURL returns the URL under which a document is retrieved here.
func (s *Server) binaryURL(ref locator.Ref, live bool) string {
	kind := kindBinary
	if live {
		kind = kindLive
	}
	return s.cfg.FHIRBase() + "/Binary/" + s.deps.Sealer.ID(kind, int64(ref.Record), int64(ref.ID))
}

// handle opens the id of a Binary. One that is not ours gives the handle of nothing, so that it takes the same way.
func (s *Server) handle(id string) federation.Handle {
	for _, kind := range []string{kindBinary, kindLive} {
		if record, doc, err := s.deps.Sealer.OpenID(kind, id); err == nil {
			return federation.Handle{Ref: locator.Ref{Record: hie.SourcePatientID(record), ID: hie.PointerID(doc)}, Live: kind == kindLive}
		}
	}
	return federation.Handle{}
}

// mayRetrieve lets a request pass whose token grants reading documents, under either of the names they go by.
func (s *Server) mayRetrieve(c *gin.Context) {
	scopes := caller(c).Scopes
	if !Allows(scopes, "Binary", 'r') && !Allows(scopes, "DocumentReference", 'r') {
		s.fail(c, hie.ErrForbidden)
	}
}

// retrieve answers GET /fhir/Binary/{id}: the document's bytes in the content type that was published, or, for who takes
// FHIR JSON alone, a Binary resource around them. A body that proves wrong on the way breaks the connection off.
//
// Source: IHE MHD ITI-68; FHIR R4 Binary, "Serving Binary Resources using the RESTful API".
func (s *Server) retrieve(c *gin.Context) {
	ctx := c.Request.Context()
	accept := c.Request.Header.Values("Accept")
	handle := s.handle(c.Param("id"))
	handle.Accepts = func(contentType string) bool {
		return accepts(accept, contentType) || accepts(accept, "application/fhir+json")
	}
	doc, err := s.deps.Exchange.Retrieve(ctx, caller(c), handle)
	if err != nil {
		s.failRetrieve(c, err)
		return
	}
	defer func() { _ = doc.Close() }() // nothing is left to do about it
	p := &passage{c: c, doc: doc}
	if doc.Caveats != nil {
		p.notice, p.whole = noticeHeader(doc.Caveats, s.names()), s.cfg.FHIRBase()+"/Binary/"+c.Param("id")+"/$notice"
	}
	if accepts(accept, doc.ContentType) {
		err = p.raw(ctx)
	} else {
		err = p.resource(ctx, c.Param("id"), s.marks(c, doc.Obligations, doc.Caveats, false))
	}
	_ = http.NewResponseController(c.Writer).SetWriteDeadline(time.Time{}) // the connection's next answer has its own time
	switch {
	case err == nil:
	case !p.begun:
		s.failRetrieve(c, err)
	default:
		s.log.WarnContext(ctx, "retrieval broken off", "request", requestID(c), "kind", errorKind(err).String())
		c.Set(brokenKey, true)
		c.Abort()
	}
}

// failRetrieve answers with err; a site that did not deliver is a bad gateway.
func (s *Server) failRetrieve(c *gin.Context, err error) {
	switch {
	case errors.Is(err, federation.ErrBadBody):
		s.send(c, http.StatusBadGateway, outcome("error", fhir.Issue{Code: "transient",
			Diagnostics: "The site that holds this document did not deliver it as it was published."}))
		c.Abort()
	case errors.Is(err, federation.ErrNotAcceptable):
		s.send(c, http.StatusNotAcceptable, outcome("error", fhir.Issue{Code: "not-supported",
			Diagnostics: "The document is not available in a content type the Accept header names."}))
		c.Abort()
	default:
		s.fail(c, err)
	}
}

const brokenKey = "concord broken off"

// breakOff ends the connection of an answer that must not come to a clean end. It stands before the recovery, which
// would take the panic for a handled one and let the answer end well.
func breakOff(c *gin.Context) {
	c.Next()
	if c.GetBool(brokenKey) {
		panic(http.ErrAbortHandler)
	}
}

// writeWait is how long a requester may take for one chunk.
const writeWait = 30 * time.Second

// A passage writes a document as an answer; the header goes with the first chunk.
type passage struct {
	c      *gin.Context
	doc    *federation.Document
	begun  bool
	length int64
	kind   string
	// notice is what goes with it in words, as far as a header holds that, whole where all of it is told; "" for nothing.
	notice, whole string
}

func (p *passage) raw(ctx context.Context) error {
	p.kind, p.length = p.doc.ContentType, p.doc.Length
	return p.doc.Pass(ctx, p)
}

// resource writes a Binary resource around the bytes. Its closing brace is written only after the bytes were proved.
func (p *passage) resource(ctx context.Context, id string, marks locatorfhir.Marks) error {
	type meta struct {
		Extension []fhir.Extension `json:"extension,omitempty"`
		Security  []fhir.Coding    `json:"security,omitempty"`
	}
	var m *meta
	if marks.Display != nil || marks.Security != nil {
		m = &meta{marks.Display, marks.Security}
	}
	head := string(fhir.Encode(struct {
		ResourceType string `json:"resourceType"`
		ID           string `json:"id"`
		Meta         *meta  `json:"meta,omitzero"`
		ContentType  string `json:"contentType"`
	}{"Binary", id, m, p.doc.ContentType}))
	head, tail := strings.TrimSuffix(head, "}")+`,"data":"`, `"}`
	p.kind, p.length = fhirJSON, -1
	if p.doc.Length >= 0 {
		p.length = int64(len(head)) + (p.doc.Length+2)/3*4 + int64(len(tail))
	}
	wrapped := &prefixed{to: p, prefix: head}
	enc := base64.NewEncoder(base64.StdEncoding, wrapped)
	if err := p.doc.Pass(ctx, enc); err != nil {
		return err
	}
	if err := enc.Close(); err != nil {
		return err
	}
	_, err := io.WriteString(wrapped, tail)
	return err
}

// Write implements io.Writer.
func (p *passage) Write(b []byte) (int, error) {
	if !p.begun {
		p.begun = true
		p.header()
	}
	_ = http.NewResponseController(p.c.Writer).SetWriteDeadline(time.Now().Add(writeWait)) // a writer without deadlines has none to set
	return p.c.Writer.Write(b)
}

func (p *passage) header() {
	h := p.c.Writer.Header()
	h.Set("Content-Type", p.kind)
	if p.length >= 0 {
		h.Set("Content-Length", strconv.FormatInt(p.length, 10))
	}
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Disposition", "attachment") // what a site published is not for this origin's browser
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	if len(p.doc.Obligations) > 0 {
		h.Set("Concord-Obligations", strings.Join(p.doc.Obligations, ", "))
	}
	if p.notice != "" {
		h.Set("Concord-Notice", p.notice)
		h.Set("Link", "<"+p.whole+`>; rel="describedby"; type="application/fhir+json"`)
	}
	p.c.Status(http.StatusOK)
}

// prefixed writes prefix before the first bytes.
type prefixed struct {
	to     io.Writer
	prefix string
}

// Write implements io.Writer.
func (w *prefixed) Write(b []byte) (int, error) {
	if w.prefix != "" {
		head := w.prefix
		w.prefix = ""
		if _, err := io.WriteString(w.to, head); err != nil {
			return 0, err
		}
	}
	return w.to.Write(b)
}

// accepts reports whether Accept headers take contentType; none takes anything, and so does one that cannot be read.
//
// Source: RFC 9110 section 12.5.1.
func accepts(headers []string, contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil || len(headers) == 0 {
		return true
	}
	kind, _, _ := strings.Cut(media, "/")
	for _, h := range headers {
		for _, part := range strings.Split(h, ",") {
			ranged, params, err := mime.ParseMediaType(part)
			if err != nil {
				return true
			}
			if q, err := strconv.ParseFloat(params["q"], 64); err == nil && q == 0 {
				continue
			}
			if ranged == media || ranged == "*/*" || ranged == kind+"/*" || ranged == "*" {
				return true
			}
		}
	}
	return false
}
