// Package mpijson keeps models of package mpi in JSON files. It decides the form of a file; what makes a model is mpi's.
package mpijson

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/concord-hie/concord/mpi"
)

// format names the form of a file; another one is refused.
const format = "concord-model-2"

type file struct {
	Format      string          `json:"format"`
	ID          string          `json:"id"`
	Prior       float64         `json:"prior_bits"`
	Relatives   float64         `json:"relatives_bits"`
	Twins       float64         `json:"twins_bits"`
	Certain     float64         `json:"certain"`
	Probable    float64         `json:"probable"`
	Possible    float64         `json:"possible"`
	Margin      float64         `json:"margin"`
	Overlay     float64         `json:"overlay"`
	Levels      []fileLevel     `json:"levels"`
	Frequencies []fileFrequency `json:"frequencies"`
	Calibration []filePoint     `json:"calibration,omitempty"`
}

// A filePoint is evidence beyond even odds, and the share of pairs with as much that are one person.
type filePoint struct {
	Over        float64 `json:"bits_beyond_prior"`
	Probability float64 `json:"probability"`
}

type fileLevel struct {
	Field     string  `json:"field"`
	Level     string  `json:"level"`
	Same      float64 `json:"one_person"`
	Strangers float64 `json:"strangers"`
	Relatives float64 `json:"relatives"`
	Twins     float64 `json:"twins"`
}

type fileFrequency struct {
	Field   string   `json:"field"`
	Persons int      `json:"persons"`
	Hashes  []uint32 `json:"hashes"`
	Counts  []uint32 `json:"counts"`
}

// Encode returns m as a file. An estimated model's id is a digest of what it holds, so that equal models have one id and
// no two others share one.
func Encode(m *mpi.Model) ([]byte, error) {
	p := m.Parts()
	f := file{Format: format, Prior: p.Prior, Relatives: p.Kin[0], Twins: p.Kin[1], Certain: p.Certain, Probable: p.Probable, Possible: p.Possible,
		Margin: p.Margin, Overlay: p.Overlay}
	for _, l := range p.Levels {
		f.Levels = append(f.Levels, fileLevel(l))
	}
	for _, q := range p.Frequencies {
		f.Frequencies = append(f.Frequencies, fileFrequency(q))
	}
	for _, c := range p.Calibration {
		f.Calibration = append(f.Calibration, filePoint{float64(c.Over), float64(c.Probability)})
	}
	id, err := digest(f)
	if err != nil {
		return nil, err
	}
	f.ID = id
	return marshal(f)
}

// digest names the model a file holds, its own id left out.
func digest(f file) (string, error) {
	f.ID = ""
	b, err := marshal(f)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return "model-" + hex.EncodeToString(sum[:6]), nil
}

func marshal(f file) ([]byte, error) {
	b, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return nil, fmt.Errorf("mpijson: %w", err)
	}
	return append(b, '\n'), nil
}

// Decode reads what Encode wrote. It refuses another form, a file whose content is not what its id names, and an absurd
// model; the error says why.
func Decode(b []byte) (*mpi.Model, error) {
	var f file
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, errors.New("mpijson: not a model file")
	}
	if f.Format != format {
		return nil, fmt.Errorf("mpijson: the format is not %s", format)
	}
	id, err := digest(f)
	if err != nil {
		return nil, err
	}
	if id != f.ID {
		return nil, fmt.Errorf("mpijson: the content was changed: it is %s and not what it says", id)
	}
	p := mpi.Parts{ID: f.ID, Prior: f.Prior, Kin: [2]float64{f.Relatives, f.Twins}, Certain: f.Certain, Probable: f.Probable, Possible: f.Possible,
		Margin: f.Margin, Overlay: f.Overlay}
	for _, l := range f.Levels {
		p.Levels = append(p.Levels, mpi.LevelParts(l))
	}
	for _, q := range f.Frequencies {
		p.Frequencies = append(p.Frequencies, mpi.FrequencyParts(q))
	}
	for _, c := range f.Calibration {
		p.Calibration = append(p.Calibration, mpi.CalibrationPoint{Over: mpi.Bits(c.Over), Probability: mpi.Probability(c.Probability)})
	}
	return mpi.NewModel(p)
}
