package mpi

import (
	"context"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
)

// A Store keeps the index's rows. Every implementation passes the suite in mpitest.
type Store interface {
	Reader
	// Update runs f in one transaction and commits it; an error from f undoes everything. f may be run again
	// when the store met a conflict, so it has no effect but through its Tx. Reads see what was committed
	// before each of them began, and the transaction's own writes.
	Update(ctx context.Context, f func(Tx) error) error
	// Sighted returns the homes of records, which are each once, and the means to read what the first whole of them said at the same
	// instant.
	Sighted(ctx context.Context, records []hie.SourcePatientID, whole int) (map[hie.SourcePatientID]Home, Said, error)
}

// Said returns the row of a record, without Keys, or nil when it was not read. What a row holds is made out only then: that costs
// more than reading it, and few of those found are looked at so closely.
type Said func(hie.SourcePatientID) (*PatientRow, error)

// A Reader reads rows. Lists of ids may be empty and hold duplicates; what does not exist is left out.
type Reader interface {
	// Owner returns the record that claimed id, or hie.ErrNotFound.
	Owner(ctx context.Context, id hie.Identifier) (hie.SourcePatientID, error)
	// Owners returns the records that claimed ids; an id nobody claimed is left out.
	Owners(ctx context.Context, ids []hie.Identifier) (map[hie.Identifier]hie.SourcePatientID, error)
	// Patients returns rows ordered by record, each once.
	Patients(ctx context.Context, records []hie.SourcePatientID) ([]PatientRow, error)
	// Homes returns where records belong, without their demographics.
	Homes(ctx context.Context, records []hie.SourcePatientID) (map[hie.SourcePatientID]Home, error)
	// Persons returns the persons' own rows.
	Persons(ctx context.Context, ids []hie.PersonID) (map[hie.PersonID]PersonRow, error)
	// Members returns the members of persons, ordered by person and record.
	Members(ctx context.Context, ids []hie.PersonID) ([]MemberRow, error)
	// Gathered returns persons with their members, ordered by record, as they were at one instant: no member is older or
	// newer than the version beside it.
	Gathered(ctx context.Context, ids []hie.PersonID) (map[hie.PersonID]Gathered, error)
	// KeyCounts returns how many live records share each key, up to where counting stops; a key nobody has is left out.
	KeyCounts(ctx context.Context, keys []int64) (map[int64]int64, error)
	// Candidates returns the live rows of keys, in no order; one record appears once for each key it shares.
	Candidates(ctx context.Context, keys []int64) ([]Candidate, error)
	// Look returns both for keys, which are each once: the counts, and the live rows of those that no more records share than
	// is wanted. A key nobody is found under is left out of counts.
	Look(ctx context.Context, keys []Wanted) (counts map[int64]int64, rows []Candidate, err error)
	// Edges returns the edges that have one of records as an end, with that end as A, ordered by A and B.
	Edges(ctx context.Context, records []hie.SourcePatientID) ([]EdgeRow, error)
	// Constraints returns the verdicts that have one of records as an end, with that end as A.
	Constraints(ctx context.Context, records []hie.SourcePatientID) ([]Constraint, error)
	// EventsOfRecords, EventsOfPerson and EventsOfChange return link events ordered by id: those about the
	// records, those that put somebody into the person or redirected it, and those of one change.
	EventsOfRecords(ctx context.Context, records []hie.SourcePatientID) ([]Event, error)
	EventsOfPerson(ctx context.Context, person hie.PersonID) ([]Event, error)
	EventsOfChange(ctx context.Context, change ChangeID) ([]Event, error)
	// ListTasks returns at most limit tasks: open ones by risk, highest first, then by id; closed ones by id.
	ListTasks(ctx context.Context, f TaskFilter, limit int) ([]Task, error)
	// OpenTasksBehind returns at most limit open tasks behind after, by id.
	OpenTasksBehind(ctx context.Context, after TaskID, limit int) ([]Task, error)
	// TasksAbout returns the tasks, open and closed, that have one of records as an end, ordered by id.
	TasksAbout(ctx context.Context, records []hie.SourcePatientID) ([]Task, error)
	// TaskByID returns one task, or hie.ErrNotFound.
	TaskByID(ctx context.Context, id TaskID) (Task, error)
	// SamplePersons returns about n persons drawn at random, in order, or all when there are no more, and about how many
	// there are. Merged ones are left out.
	SamplePersons(ctx context.Context, n int) (ids []hie.PersonID, of int64, err error)
	// Figures counts tasks and reviews: those open at now, and what happened since.
	Figures(ctx context.Context, since, now time.Time) (Figures, error)
	// RecordVersions returns what record said before, oldest first; the current version is not among them.
	RecordVersions(ctx context.Context, record hie.SourcePatientID) ([]Version, error)
	// Notices returns at most limit notices behind after, in the order of their cursors. Notices of transactions
	// that are still running, and all behind them, are left for later.
	Notices(ctx context.Context, after Cursor, limit int) ([]Notice, error)
	// NoticeReaders returns the registered readers of notices, by name; Lost is not set.
	NoticeReaders(ctx context.Context) ([]NoticeReader, error)
	// NoticeBounds returns the last notice that was pruned, zero while none was, and a cursor behind all notices there are,
	// with none of a running transaction before it.
	NoticeBounds(ctx context.Context) (pruned, end Cursor, err error)
	// Rebuilding returns how far the rebuild to target has come, or hie.ErrNotFound.
	Rebuilding(ctx context.Context, target string) (Rebuilding, error)
	// Find returns at most limit records behind after that meet p, in order.
	Find(ctx context.Context, p Probe, after hie.SourcePatientID, limit int) ([]hie.SourcePatientID, error)
}

// A Tx is one transaction of a Store.
type Tx interface {
	Reader
	// Claim makes record the owner of id if nobody is, and returns the owner. Until the transaction ends,
	// others who claim id wait.
	Claim(ctx context.Context, id hie.Identifier, record hie.SourcePatientID) (hie.SourcePatientID, error)
	// ClaimKeys adds to the counts of keys, which are sorted and each once. Until the transaction ends, others
	// who claim one of them wait, and then see what this transaction wrote.
	ClaimKeys(ctx context.Context, keys []KeyClaim) error
	// PutRegistration is PutPatient with what belongs to it: the version the row replaces, nil for none, and the words it is
	// found by in a search from now on.
	PutRegistration(ctx context.Context, p PatientRow, was *Version, terms []string) error
	// PutPatient inserts or replaces a row.
	PutPatient(ctx context.Context, p PatientRow) error
	// MoveHome changes the person a record's row names.
	MoveHome(ctx context.Context, record hie.SourcePatientID, person hie.PersonID) error
	// PutCandidates makes record found under live with features, and no longer under dead.
	PutCandidates(ctx context.Context, record hie.SourcePatientID, live, dead []int64, features []byte) error
	// RemoveTerms has record no longer found by words in a search.
	RemoveTerms(ctx context.Context, record hie.SourcePatientID, terms []string) error
	// NewPerson makes a person of first's with version 1 and first its only member.
	NewPerson(ctx context.Context, first MemberRow) error
	// Lock takes persons, which are sorted and each once. Until the transaction ends, others who lock one of them
	// wait, and then see what this transaction wrote.
	Lock(ctx context.Context, ids []hie.PersonID) error
	// Bump raises the versions of persons, which are sorted and each once.
	Bump(ctx context.Context, ids []hie.PersonID) error
	// Redirect sets which person id was merged into; 0 for none.
	Redirect(ctx context.Context, id, into hie.PersonID) error
	// PutMember inserts or replaces a membership, RemoveMember takes it away.
	PutMember(ctx context.Context, m MemberRow) error
	RemoveMember(ctx context.Context, person hie.PersonID, record hie.SourcePatientID) error
	// PutFeatures replaces the features of a membership; hie.ErrNotFound means that there is none.
	PutFeatures(ctx context.Context, person hie.PersonID, record hie.SourcePatientID, features []byte) error
	// PutEdges inserts or replaces edges, for both ends; RemoveEdges takes them away.
	PutEdges(ctx context.Context, edges []EdgeRow) error
	RemoveEdges(ctx context.Context, edges []EdgeRow) error
	// PutConstraint sets the verdict about c.A and c.B for both ends; Clear removes it.
	PutConstraint(ctx context.Context, c Constraint) error
	// AddEvents appends link events.
	AddEvents(ctx context.Context, events []Event) error
	// OpenTasks adds tasks, leaving out those of which an open one of the same kind about the same records exists,
	// and returns how many it added.
	OpenTasks(ctx context.Context, tasks []Task) (int, error)
	// TakeTask returns an open task and locks it until the transaction ends. hie.ErrNotFound means there is none of
	// that id, hie.ErrConflict that it is closed.
	TakeTask(ctx context.Context, id TaskID) (Task, error)
	// PutTask replaces everything of a task but its id, its kind, its records, its note and when it was opened.
	PutTask(ctx context.Context, t Task) error
	// PutRisk replaces the risk of a task while it is open.
	PutRisk(ctx context.Context, id TaskID, risk float64) error
	// PutVersion keeps what a registration said until now.
	PutVersion(ctx context.Context, v Version) error
	// PutRebuilding keeps how far a rebuild has come.
	PutRebuilding(ctx context.Context, r Rebuilding) error
	// Notify appends to the outbox of identity changes.
	Notify(ctx context.Context, notices []Notice) error
	// PutNoticeReader inserts or replaces a reader of notices, RemoveNoticeReader takes it away.
	PutNoticeReader(ctx context.Context, r NoticeReader) error
	RemoveNoticeReader(ctx context.Context, name string) error
	// DropNotices takes all notices up to a cursor away and keeps that it did.
	DropNotices(ctx context.Context, upTo Cursor) error
	// Record appends audit events in this transaction.
	Record(ctx context.Context, events ...audit.Event) error
}

// A PatientRow is a source patient as stored.
type PatientRow struct {
	SourcePatient
	// Person is where the record belongs: a hint, kept in step with the membership, which decides.
	Person hie.PersonID
	// Keys are the candidate keys the record is found under, sorted; none when it is inactive.
	Keys []int64
	// Packed is Registration.Packed for a row that is being written; nil for one that was read.
	Packed []byte
}

// An EdgeRow says that evidence could join two records; Bits is what the pair scored when it was found.
type EdgeRow struct {
	A, B hie.SourcePatientID
	Bits Bits
}

// A Home is where a record belongs, and whose it is: a registration without what it says.
type Home struct {
	Person  hie.PersonID
	AliasOf hie.SourcePatientID
	Site    hie.SiteID
	Active  bool
}

// Home returns where p belongs.
func (p *PatientRow) Home() Home {
	return Home{Person: p.Person, AliasOf: p.AliasOf, Site: p.Site, Active: p.Active}
}

// A PersonRow is a person's own row. Redirect is the person it was merged into, or 0.
type PersonRow struct {
	ID, Redirect hie.PersonID
	Version      int64
}

// Gathered is a person's own row with its members, ordered by record; none when it is empty.
type Gathered struct {
	PersonRow
	Members []MemberRow
}

// A MemberRow is one membership, with the record's features as last accepted.
type MemberRow struct {
	hie.Private
	Person hie.PersonID
	Member
	Features []byte
}

// A Wanted is a key to look under, unless more than Most records share it.
type Wanted struct{ Key, Most int64 }

// Within returns the keys that counts do not say to be shared by too many.
func Within(keys []Wanted, counts map[int64]int64) []int64 {
	out := make([]int64, 0, len(keys))
	for _, k := range keys {
		if counts[k.Key] <= k.Most {
			out = append(out, k.Key)
		}
	}
	return out
}

// A Candidate is one row found under a key.
type Candidate struct {
	hie.Private
	Key      int64
	Record   hie.SourcePatientID
	Features []byte
}

// A KeyClaim adds Add (-1, 0 or 1) to a key's count.
type KeyClaim struct{ Key, Add int64 }

// A Constraint is a steward's standing verdict about two records. Bits is what the engine thought then.
type Constraint struct {
	A, B    hie.SourcePatientID
	Verdict Verdict
	Bits    Bits
	Change  ChangeID
	At      time.Time
}

// A Probe is how a search finds records before all criteria are checked; the first part set is used.
type Probe struct {
	hie.Private
	Records []hie.SourcePatientID
	// Keys are candidate keys, any of which the record is, or was before it was withdrawn, found under.
	Keys []int64
	// Terms are prefixes of terms, any of which may hold.
	Terms []string
	// BirthFrom <= year*10000+month*100+day < BirthUntil.
	BirthFrom, BirthUntil int
	// Otherwise all records.
}

// terms returns what a record is found by in a name search: every word of its family names behind "f:", of its
// given names behind "g:"; folded, each once.
func terms(d Demographics) []string {
	var out []string
	for _, n := range d.Names {
		for _, w := range words(n.Family) {
			out = addOnce(out, "f:"+w)
		}
		for _, g := range n.Given {
			for _, w := range words(g) {
				out = addOnce(out, "g:"+w)
			}
		}
	}
	return out[:min(len(out), 12)]
}

// BirthNumber returns d as year*10000+month*100+day, the form a Probe compares; 0 for no date.
func (d Date) BirthNumber() int { return d.Year*10000 + d.Month*100 + d.Day }
