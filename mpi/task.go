package mpi

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A TaskKind says why a steward should look.
type TaskKind string

// The kinds of task.
const (
	TaskCrossSite  TaskKind = "cross-site"        // records of two sites may be one person
	TaskSameSite   TaskKind = "same-site"         // a site may have registered somebody twice
	TaskHousehold  TaskKind = "household"         // twins, newborns, father and son: alike, and only one field tells them apart
	TaskIdentifier TaskKind = "shared-identifier" // two people, it seems, under one number
	TaskOverlay    TaskKind = "overlay"           // an update looks like somebody else
	TaskDeceased   TaskKind = "deceased-active"   // a record lives on after another of its person says it died
	TaskReported   TaskKind = "patient-reported"  // the patient says that something is not theirs
	TaskReopen     TaskKind = "reopen"            // strong new evidence contradicts a steward's verdict
	TaskSplit      TaskKind = "split"             // the records of one person contradict each other
	TaskBridge     TaskKind = "bridge"            // one record alone holds two halves of a person together
	TaskHub        TaskKind = "hub"               // more records hang together than are reconsidered at once
)

// TaskKinds are all kinds, the riskiest first.
func TaskKinds() []TaskKind {
	return []TaskKind{TaskOverlay, TaskReopen, TaskReported, TaskSplit, TaskBridge, TaskIdentifier, TaskDeceased, TaskHousehold, TaskSameSite, TaskHub, TaskCrossSite}
}

// A Task asks a steward to look at two records.
type Task struct {
	ID   TaskID
	Kind TaskKind
	// Record is what raised it; Other the best record of the other person, or 0 for what concerns one record.
	Record, Other hie.SourcePatientID
	Grade         Grade
	Bits          Bits
	Evidence      []Evidence
	// Missing names the field that would settle it ("birth-order", "suffix", ...), or "".
	Missing string
	// Note are the words of the person who raised it, "" where nobody did.
	Note string
	// Risk orders the queue, from 0 to 100; see Risk.
	Risk   float64
	Opened time.Time
	// ClaimedBy works on the task until ClaimedUntil; "" for nobody.
	ClaimedBy    string
	ClaimedUntil time.Time
	// Snooze puts the task off; nil for none. What it says may be over.
	Snooze *Snooze
	// Escalation hands the task on; nil for none.
	Escalation *Escalation
	// Inquiries are what sites were asked about it, in that order; nil for nothing.
	Inquiries []Inquiry
	// Stake is what hangs on all records of the persons it is about; known to Index.Tasks and Index.Task alone.
	Stake Stake
	// First is a verdict that waits for a second reviewer, or waited for one before the task was closed; nil for none.
	// Differed is how often a reviewer said otherwise than the one before.
	First    *Opinion
	Differed int
	// Closed is zero while the task is open; then Verdict, By and Reason tell how it ended, and Change what it did, 0
	// for nothing. By is Engine when new evidence settled it and nobody had to; Withdrawn says that who reported it took it back.
	Closed     time.Time
	Withdrawn  bool
	Verdict    Verdict
	By, Reason string
	Change     ChangeID
}

// Engine stands for a name where no person decided.
const Engine = "engine"

// An Opinion is what one reviewer said.
type Opinion struct {
	Verdict    Verdict
	By, Reason string
	At         time.Time
}

// A Snooze puts a task off until Until, or until what it asks about has changed.
type Snooze struct {
	Until      time.Time
	By, Reason string
}

// An Escalation hands a task on to somebody else than By: to User ("org/user"), or to whoever acts in Role; the other one
// is "".
type Escalation struct {
	Role, User string
	By, Reason string
	At         time.Time
}

// TaskFilter selects tasks. The zero filter selects all open ones that are not put off at the time Now.
type TaskFilter struct {
	Kind TaskKind
	// Closed selects closed tasks instead of open ones.
	Closed bool
	// Record selects tasks about a record, those put off too.
	Record hie.SourcePatientID
	// Snoozed selects open tasks that are put off instead.
	Snoozed bool
	// Escalated selects open tasks that were handed on; For, unless nil, those that were handed on to this actor.
	Escalated bool
	For       *hie.Actor
	// Waiting selects open tasks that wait for a site's answer.
	Waiting bool
	// Claimed selects tasks somebody works on at the time Now: "" for any task, "none" for those nobody works on, else
	// the name as Task.ClaimedBy has it.
	Claimed string
	Now     time.Time
	// OpenedBefore selects tasks opened before an instant, zero any.
	OpenedBefore time.Time
	// Grade selects tasks whose records the engine graded so, nil any: the band their score lies in.
	Grade *Grade
	// MinRisk selects open tasks of at least this risk, MinDocuments open tasks on which at least so many documents hang now.
	MinRisk      float64
	MinDocuments int64
	// After is the last task of the page before, which is looked up; a task that is closed since is skipped over by its
	// risk as it was.
	After TaskID
	// Count bounds the page; 0 means 50, at most 200.
	Count int
}

// Unclaimed is the TaskFilter.Claimed of tasks nobody works on.
const Unclaimed = "none"

// Risk says how much harm a task left alone may do, from 0 to 100: what kind of error it would be, and within the
// kind how sure the evidence is and how much hangs on it. The kinds in order: somebody else's data under a known number
// (overlay), a verdict that may be wrong, a patient's own word, a person that may be two, a shared number, activity after
// death, twins and households, a site's duplicates, and last two records that may be one, which only miss each other's
// documents. A thousand documents weigh as much as certainty; a consent weighs as much as ten documents.
//
// Source: spec ux 1.4, "empty the queue in risk order", W1 "documents affected"; a false link discloses, a missed one
// omits (DESIGN idea 3).
func Risk(k TaskKind, p Probability, s Stake) float64 {
	base := map[TaskKind]float64{TaskOverlay: 90, TaskReopen: 80, TaskReported: 80, TaskSplit: 70, TaskBridge: 65, TaskIdentifier: 60,
		TaskDeceased: 55, TaskHousehold: 45, TaskSameSite: 35, TaskHub: 30, TaskCrossSite: 20}[k]
	return base + 5*float64(max(0, min(1, p))) + 4.9*s.weight()
}

// weight is from 0, for nothing, to 1.
func (s Stake) weight() float64 {
	n := s.Documents
	for _, c := range s.Consents {
		n += 10 * c
	}
	return min(1, math.Log2(1+float64(n))/10)
}

// maxTaskScan bounds how many tasks one page reads to find those on which enough documents hang.
const maxTaskScan = 2000

// Tasks returns a page of tasks, each open one with what hangs on it, and the task after which the next page goes on, 0 at the end:
// open tasks by risk, closed ones in the order they were opened. What hangs on tasks changes with every document, so it is
// counted for each task read: a page with MinDocuments may be short, even empty, and go on.
func (x *Index) Tasks(ctx context.Context, f TaskFilter) (tasks []Task, next TaskID, err error) {
	n := pageSize(f.Count)
	if f.Now.IsZero() {
		f.Now = x.now()
	}
	for scanned := 0; ; {
		page, err := x.store.ListTasks(ctx, f, n+1)
		if err != nil {
			return nil, 0, fmt.Errorf("mpi: tasks: %w", err)
		}
		more := len(page) > n
		page = page[:min(n, len(page))]
		if err := x.weighTasks(ctx, page); err != nil {
			return nil, 0, fmt.Errorf("mpi: tasks: %w", err)
		}
		for i, t := range page {
			f.After = t.ID
			if t.Stake.Documents < f.MinDocuments {
				continue
			}
			if tasks = append(tasks, t); len(tasks) == n && (more || i+1 < len(page)) {
				return tasks, f.After, nil
			}
		}
		if scanned += len(page); !more {
			return tasks, 0, nil
		} else if scanned >= maxTaskScan {
			return tasks, f.After, nil
		}
	}
}

// Task returns one task, or hie.ErrNotFound.
func (x *Index) Task(ctx context.Context, id TaskID) (Task, error) {
	t, err := x.store.TaskByID(ctx, id)
	if err != nil {
		return Task{}, fmt.Errorf("mpi: task: %w", err)
	}
	one := []Task{t}
	if err := x.weighTasks(ctx, one); err != nil {
		return Task{}, fmt.Errorf("mpi: task: %w", err)
	}
	return one[0], nil
}

func pageSize(count int) int {
	if count <= 0 {
		return 50
	}
	return min(count, 200)
}
