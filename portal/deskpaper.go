package portal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
)

// D5, what a choice taken down at the desk rests on: the form it was asked on, who signed, the paper or the word. It is filed
// by the API's $capture, which checks and keeps it.

// Forms are what patients are asked on. *consentpg.Store is one.
type Forms interface {
	Templates(ctx context.Context) ([]consent.Template, error)
}

// pickForms are the forms the picks are asked on.
var pickForms = map[pick]string{pickShare: "share", pickEmergency: "emergency-only", pickNever: "never", pickSome: "chosen-organizations"}

// maxScan bounds a scan, in bytes.
const maxScan = 6 << 20

// scanTypes are what a scan may be.
var scanTypes = []string{"application/pdf", "image/png", "image/jpeg"}

// A paperTrail is what a choice rests on.
type paperTrail struct {
	hie.Private
	Kind, Method, Hash string
	Witness            string
	// Signer is a reference to who signed for the patient, "" for the patient.
	Signer string
	// Scan is the paper, nil for none, and MediaType what it is.
	Scan      []byte
	MediaType string
}

// paper reads what the form says a choice rests on that was said in a way of methods.
func (v *visit) paper(method string) (paperTrail, []fault, error) {
	p := paperTrail{}
	err := v.c.Request.ParseMultipartForm(maxScan + 1<<20)
	if err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return p, nil, hie.ErrTooLarge
	}
	form := v.c.Request.PostForm
	p.Signer, p.Hash = form.Get("signer"), strings.ToLower(strings.TrimSpace(form.Get("hash")))
	switch method {
	case "spoken":
		p.Kind, p.Method, p.Hash = "spoken", "spoken", ""
		return p, nil, nil
	case "phone":
		p.Kind, p.Method, p.Hash = "spoken", "telephone", ""
		return p, nil, nil
	case "screen": // signed by what was shown, to whom, by whom, when
		sum := sha256.Sum256([]byte(strings.Join([]string{v.c.Param("patient"), v.session.Actor.User, v.now.UTC().Format(time.RFC3339Nano)}, "\x00")))
		p.Kind, p.Method, p.Hash = "signature", "electronic", hex.EncodeToString(sum[:])
		return p, nil, nil
	}
	p.Kind, p.Method = "scan", "paper"
	file, head, err := v.c.Request.FormFile("scan")
	switch {
	case err == nil && head.Size > 0:
		defer func() { _ = file.Close() }()
		if p.Scan, err = io.ReadAll(io.LimitReader(file, maxScan+1)); err != nil {
			return p, nil, hie.ErrTooLarge
		}
		p.MediaType, _, _ = strings.Cut(http.DetectContentType(p.Scan), ";")
		if len(p.Scan) > maxScan || !slices.Contains(scanTypes, p.MediaType) {
			return p, []fault{{"scan", "desk.fault.scan"}}, nil
		}
		p.Hash = ""
	case p.Hash == "":
		return p, []fault{{"scan", "desk.fault.paper"}}, nil
	default:
		if raw, err := hex.DecodeString(p.Hash); err != nil || len(raw) != sha256.Size {
			return p, []fault{{"hash", "desk.fault.hash"}}, nil
		}
	}
	return p, nil, nil
}

// signers are who may sign for the patient, besides the patient.
func (v *visit) signers(patient string) ([]consent.Representative, error) {
	record, _, err := v.id("patient", patient)
	if err != nil {
		return nil, err
	}
	all, err := v.deps.Helpers.Representatives(v.ctx, []hie.SourcePatientID{hie.SourcePatientID(record)})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(r consent.Representative) bool { return !r.MayAct(consent.RightsManage, v.now, v.zone()) }), nil
}

// capture files w for a patient of this desk on the form it was asked on.
//
// Source: spec consent 2.20 ($capture); spec ux D5.
func (v *visit) capture(w wish, patient string, p paperTrail) (filed, error) {
	yes := true
	self := fhir.Reference{Reference: "Patient/" + patient}
	in := fhir.Parameters{ResourceType: "Parameters", Parameter: []fhir.Parameter{{Name: "patient", ValueReference: &self}, {Name: "template", ValueString: pickForms[w.Pick]},
		{Name: "language", ValueCode: v.language}, {Name: "verified", ValueBoolean: &yes}}}
	add := func(q fhir.Parameter) { in.Parameter = append(in.Parameter, q) }
	for _, o := range w.Orgs {
		add(fhir.Parameter{Name: "organization", ValueReference: &fhir.Reference{Reference: "Organization/" + string(o)}})
	}
	if p.Signer != "" {
		add(fhir.Parameter{Name: "performer", ValueReference: &fhir.Reference{Reference: p.Signer}})
	}
	if p.Witness != "" {
		add(fhir.Parameter{Name: "witness", ValueString: p.Witness})
	}
	if p.Scan != nil {
		add(fhir.Parameter{Name: "document", Resource: fhir.Encode(map[string]any{"resourceType": "DocumentReference", "status": "current",
			"content": []map[string]any{{"attachment": map[string]any{"contentType": p.MediaType, "data": p.Scan}}}})})
	} else {
		add(fhir.Parameter{Name: "kind", ValueCode: p.Kind})
		add(fhir.Parameter{Name: "method", ValueCode: p.Method})
		if p.Hash != "" {
			add(fhir.Parameter{Name: "hash", ValueString: p.Hash})
		}
	}
	a, err := v.call(http.MethodPost, "/fhir/Consent/$capture", in, "Content-Type", "application/fhir+json")
	if err != nil {
		return filed{}, err
	}
	return readFiled(a.body)
}
