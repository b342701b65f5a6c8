package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpipg"
)

// importConsentsCmd files many consents at once.
type importConsentsCmd struct {
	Files   []string  `arg:"" name:"file" help:"NDJSON files, one Consent (R4, or the shape of R5) a line." type:"existingfile"`
	Org     hie.OrgID `required:"" help:"Organization whose patients these are; its sites must have registered them." placeholder:"ID"`
	Filed   bool      `name:"keep-filed" help:"Take meta.lastUpdated for when each was filed. What a consent means depends on the order in which it and others were."`
	Rejects string    `help:"Where to write the lines that were not taken, with the reason, as NDJSON; default FILE.rejects.ndjson." placeholder:"FILE"`
	Batch   int       `default:"500" help:"Lines a transaction, 1 to 5000."`
	DryRun  bool      `help:"Check every line and store nothing."`
}

// Help implements kong.HelpProvider.
func (importConsentsCmd) Help() string {
	return `Each line is a Consent whose patient.identifier names a patient a site of the organization registered. What cannot be
understood whole is filed and held: what it denies acts, what it permits does not. A line that breaks a rule of filing goes to
the rejects file with its number and the rule, never with its content. The same command given again goes on where it
stopped: what is on file already counts as repeated.

Examples:
  concord consent export --org mercy > consents.ndjson
  concord import consents --org mercy --keep-filed consents.ndjson`
}

// Run loads the files one after another.
func (i *importConsentsCmd) Run(ctx context.Context, g *Globals, std *streams) error {
	if i.Batch < 1 || i.Batch > 5000 {
		return errors.New("--batch must be between 1 and 5000")
	}
	if i.Rejects != "" && len(i.Files) > 1 {
		return errors.New("--rejects names one file; give one input file with it")
	}
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	network, err := directorypg.New(db, auditpg.Append, hie.Now).Load(ctx)
	if err != nil {
		return err
	}
	if _, known := network.Organization(i.Org); !known {
		return fmt.Errorf("no organization %s in the directory; see: concord site list", i.Org)
	}
	ids := hie.NewIDs(nil)
	in := &consentImport{importConsentsCmd: i, std: std, network: network, actor: localOperator(), consents: consentpg.New(db, ids, auditpg.Append, hie.Now),
		patients: mpi.New(mpipg.New(db, auditpg.Append), ids, auditpg.New(db), mpi.Options{})}
	in.actor.Organization = i.Org
	for _, name := range i.Files {
		if err := in.file(ctx, name); err != nil {
			return fmt.Errorf("import consents: %s: %w", name, err)
		}
	}
	return nil
}

// A consentImport files what files hold.
type consentImport struct {
	*importConsentsCmd
	std      *streams
	network  *directory.Network
	actor    hie.Actor
	consents *consentpg.Store
	patients *mpi.Index
}

func (in *consentImport) file(ctx context.Context, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return errors.New("cannot be read")
	}
	defer func() { _ = f.Close() }()
	rejected := name + ".rejects.ndjson"
	if in.Rejects != "" {
		rejected = in.Rejects
	}
	var rejects io.WriteCloser
	var filed, repeated, bad, n int
	var batch []consent.Version
	flush := func() error {
		if in.DryRun || len(batch) == 0 {
			filed, batch = filed+len(batch), nil
			return nil
		}
		a, b, err := in.consents.Enter(ctx, in.actor, batch)
		filed, repeated, batch = filed+a, repeated+b, nil
		return err
	}
	r := bufio.NewReaderSize(f, 1<<20)
	for ended := false; !ended; {
		text, err := readLine(r)
		if ended = errors.Is(err, io.EOF); err != nil && !ended && !errors.Is(err, bufio.ErrTooLong) {
			return err
		}
		if len(text) == 0 && ended {
			break
		}
		n++
		if len(text) == 0 && err == nil {
			continue
		}
		v, why := in.read(ctx, text)
		if errors.Is(err, bufio.ErrTooLong) {
			why = hie.ErrTooLarge
		}
		if why != nil {
			if rejects == nil {
				if rejects, err = os.Create(rejected); err != nil {
					return errors.New("the rejects file cannot be written")
				}
			}
			if _, isInvalid := errors.AsType[*hie.InvalidError](why); !isInvalid && !errors.Is(why, hie.ErrTooLarge) {
				return why
			}
			bad++
			if err := json.NewEncoder(rejects).Encode(map[string]any{"line": n, "error": why.Error()}); err != nil {
				return err
			}
			continue
		}
		if batch = append(batch, v); len(batch) == in.Batch {
			if err := flush(); err != nil {
				return err
			}
			fmt.Fprintf(in.std.err, "%s: %d lines\n", name, n)
		}
	}
	if err := flush(); err != nil {
		return err
	}
	if rejects != nil {
		if err := rejects.Close(); err != nil {
			return err
		}
	}
	verb := "filed"
	if in.DryRun {
		verb = "good"
	}
	fmt.Fprintf(in.std.err, "%s: %d %s, %d repeated, %d rejected\n", name, filed, verb, repeated, bad)
	return nil
}

// read makes a line the version that is to be filed.
func (in *consentImport) read(ctx context.Context, text []byte) (consent.Version, error) {
	now := hie.Now()
	_, ref, err := consentfhir.ReadFiling(text, now, time.UTC)
	if err != nil {
		return consent.Version{}, err
	}
	stranger := &hie.InvalidError{Path: "Consent.patient", Rule: "must name by identifier a patient a site of the organization registered", Code: "business-rule"}
	_, identifier, ok := consentfhir.PatientOf(ref, "")
	if !ok || identifier.IsZero() {
		return consent.Version{}, stranger
	}
	record, err := in.patients.RecordOf(ctx, identifier)
	if errors.Is(err, hie.ErrNotFound) {
		return consent.Version{}, stranger
	}
	if err != nil {
		return consent.Version{}, err
	}
	sp, err := in.patients.Record(ctx, record)
	if err != nil {
		return consent.Version{}, err
	}
	site, known := in.network.Site(sp.Site)
	if !known || site.Org != in.Org {
		return consent.Version{}, stranger
	}
	zone, err := time.LoadLocation(site.Zone)
	if err != nil {
		zone = time.UTC
	}
	v, _, err := consentfhir.ReadFiling(text, now, zone)
	v.Record, v.By, v.Content = record, in.Org, append([]byte(nil), text...)
	if in.Filed && err == nil {
		var h fhir.Header
		if fhir.Decode(text, &h) == nil && h.Meta != nil {
			if at, err := time.Parse(time.RFC3339Nano, h.Meta.LastUpdated); err == nil {
				v.Filed = at.UTC().Truncate(time.Microsecond)
			}
		}
	}
	return v, err
}
