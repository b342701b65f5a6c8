package mpicsv

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// A Pair is one row of a pairs file: two records, and what people said of them where the file tells.
type Pair struct {
	A, B               string
	Expected, Category string
}

// ReadPairs returns the rows of r, whose columns record_id_1 and record_id_2 are required. Errors as Read.
func ReadPairs(r io.Reader) ([]Pair, error) {
	in, err := open(r, "record_id_1", "record_id_2")
	if err != nil {
		return nil, err
	}
	var out []Pair
	for {
		if err := in.next(); err != nil {
			if errors.Is(err, io.EOF) {
				return out, nil
			}
			return nil, err
		}
		p := Pair{strings.Clone(in.at("record_id_1")), strings.Clone(in.at("record_id_2")), strings.Clone(in.at("expected")), strings.Clone(in.at("category"))}
		if p.A == "" || p.B == "" {
			return nil, fmt.Errorf("%w: line %d: a record_id is empty", ErrRow, in.line)
		}
		out = append(out, p)
	}
}

// ReadClusters returns the cluster of each record. Errors as Read.
func ReadClusters(r io.Reader) (map[string]string, error) {
	in, err := open(r, "record_id", "cluster_id")
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for {
		if err := in.next(); err != nil {
			if errors.Is(err, io.EOF) {
				return out, nil
			}
			return nil, err
		}
		id := strings.Clone(in.at("record_id"))
		if _, twice := out[id]; twice || id == "" {
			return nil, fmt.Errorf("%w: line %d: record_id is empty or stands twice", ErrRow, in.line)
		}
		out[id] = strings.Clone(in.at("cluster_id"))
	}
}

// ReadColumn returns what column says of each record_id. Errors as Read.
func ReadColumn(r io.Reader, column string) (map[string]string, error) {
	in, err := open(r, "record_id", column)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for {
		if err := in.next(); err != nil {
			if errors.Is(err, io.EOF) {
				return out, nil
			}
			return nil, err
		}
		out[strings.Clone(in.at("record_id"))] = strings.Clone(in.at(column))
	}
}
