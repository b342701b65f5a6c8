package portal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
)

// maxAnswer bounds what a page takes of one answer of the API; a document larger than that is not shown here.
const maxAnswer = 32 << 20

// An answer is what the API said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// into reads the answer's JSON.
func (a answer) into(v any) error {
	if err := fhir.Decode(a.body, v); err != nil {
		return fmt.Errorf("portal: an answer of the API cannot be read: %w", hie.ErrUnavailable)
	}
	return nil
}

// call asks the API as the visit's actor. body may be nil, bytes, or what encodes as JSON; headers come as name, value.
// An answer other than 2xx is the error it stands for: whoever wants to know more takes *refusal.
func (v *visit) call(method, path string, body any, headers ...string) (answer, error) {
	return v.callAs(v.actor(), method, path, body, headers...)
}

// callAs is call as another actor than the session's own: the same person for another purpose.
func (v *visit) callAs(actor hie.Actor, method, path string, body any, headers ...string) (answer, error) {
	return v.follow(actor, nil, method, path, body, headers...)
}

// follow is callAs for a search for documents during which heard is told of each site.
func (v *visit) follow(actor hie.Actor, heard func(federation.Hearing), method, path string, body any, headers ...string) (answer, error) {
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		in = bytes.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			return answer{}, fmt.Errorf("portal: encode: %w", err)
		}
		in = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(v.ctx, method, v.cfg.BaseURL+path, in)
	if err != nil {
		return answer{}, fmt.Errorf("portal: %w", err)
	}
	r.RequestURI, r.RemoteAddr = path, v.c.Request.RemoteAddr
	r.Header.Set("X-Request-Id", requestID(v.c))
	r.Header.Set("Accept-Language", v.language)
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	if err := v.serve(w, r, actor, heard); err != nil {
		return answer{}, err
	}
	a := answer{status: w.status, header: w.header, body: w.body.Bytes()}
	if w.status < 200 || w.status > 299 {
		return a, newRefusal(a)
	}
	return a, nil
}

// serve calls the API's handler, which breaks off by panicking when an answer proves wrong on the way.
func (v *visit) serve(w *recorder, r *http.Request, actor hie.Actor, heard func(federation.Hearing)) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("portal: the API broke off: %w", hie.ErrUnavailable)
		}
	}()
	if heard == nil {
		v.deps.API.ServeAs(w, r, actor)
	} else {
		v.deps.API.FollowAs(w, r, actor, heard)
	}
	if w.over {
		return fmt.Errorf("portal: an answer of the API: %w", hie.ErrTooLarge)
	}
	if v.ctx.Err() != nil {
		return v.ctx.Err()
	}
	return nil
}

// A recorder takes an answer into memory, up to maxAnswer.
type recorder struct {
	header http.Header
	status int
	wrote  bool
	over   bool
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	if !w.wrote {
		w.status, w.wrote = status, true
	}
}

// Write implements http.ResponseWriter.
func (w *recorder) Write(b []byte) (int, error) {
	w.wrote = true
	if w.body.Len()+len(b) > maxAnswer {
		w.over = true
		return 0, hie.ErrTooLarge
	}
	return w.body.Write(b)
}

// A refusal is an answer other than 2xx, as the kind of error it stands for.
type refusal struct {
	status int
	kind   error
	// code is the issue's details code or its type, path what it names; rule says what is wrong in words without
	// values, for 400 and 422.
	code, path, rule string
}

func newRefusal(a answer) *refusal {
	r := &refusal{status: a.status}
	var oo fhir.OperationOutcome
	var problem struct {
		Code, Detail string
		Errors       []string
	}
	if fhir.Decode(a.body, &oo) == nil && len(oo.Issue) > 0 {
		r.code, r.rule = oo.Issue[0].Code, oo.Issue[0].Diagnostics
		if len(oo.Issue[0].Expression) > 0 {
			r.path = oo.Issue[0].Expression[0]
		}
	} else if json.Unmarshal(a.body, &problem) == nil {
		r.code, r.rule = problem.Code, problem.Detail
		if len(problem.Errors) > 0 {
			r.path = problem.Errors[0]
		}
	}
	switch a.status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		r.kind = &hie.InvalidError{Path: r.path, Rule: r.rule, Code: r.code}
	case http.StatusUnauthorized, http.StatusForbidden:
		r.kind = hie.ErrForbidden // who is signed in and still not let in may not
	case http.StatusNotFound, http.StatusGone:
		r.kind = hie.ErrNotFound
	case http.StatusConflict:
		r.kind = hie.ErrConflict
	case http.StatusPreconditionFailed:
		r.kind = hie.ErrStale
	case http.StatusRequestEntityTooLarge:
		r.kind = hie.ErrTooLarge
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		r.kind = hie.ErrUnavailable
	default:
		r.kind = errors.New("portal: the API failed")
	}
	return r
}

// Error implements error. It quotes nothing of the answer.
func (r *refusal) Error() string { return fmt.Sprintf("portal: the API answered %d", r.status) }

// Unwrap makes a refusal the kind of error it stands for.
func (r *refusal) Unwrap() error { return r.kind }

// read asks the API for JSON and reads it into out.
func (v *visit) read(method, path string, body, out any, headers ...string) error {
	a, err := v.call(method, path, body, headers...)
	if err != nil {
		return err
	}
	return a.into(out)
}
