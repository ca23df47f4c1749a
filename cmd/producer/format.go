package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/carriers"
	"github.com/waybill-io/waybill/internal/ingest"
)

// The formats that are not a carrier's.
const (
	auto   = "auto"
	ndjson = "ndjson"
	table  = "csv"
)

// format names the format of the files, auto where the carrier's profile tells.
func (c *publishConfig) format() (string, error) {
	format := c.Format
	if format == auto && c.Carrier == "" {
		var err error
		if format, err = c.guess(); err != nil {
			return "", err
		}
	}
	foreign := c.Carrier != "" || slices.Contains(carriers.Formats(), format)
	switch {
	case c.Replace != "" && c.Carrier == "":
		return "", errors.New("--replaces: needs --carrier, the profile that takes its place")
	case c.Replace != "" && c.Replace == c.Carrier:
		return "", fmt.Errorf("--replaces: %s cannot take its own place", c.Replace)
	case c.Carrier != "" && (format == ndjson || format == table):
		return "", fmt.Errorf("--carrier: %s is no carrier's format", format)
	case c.Mapping != "" && foreign:
		return "", errors.New("--mapping: a carrier's messages need none")
	case c.Mapping != "" && format == ndjson:
		return "", errors.New("--mapping: NDJSON needs none")
	case c.Mapping == "" && format == table:
		return "", errors.New("--mapping: a CSV file needs one")
	}
	return format, nil
}

// guess goes by the names of the files.
func (c *publishConfig) guess() (string, error) {
	seen := map[string]string{}
	format := ndjson
	for _, file := range c.Files {
		var err error
		if format, err = c.guessOf(file); err != nil {
			return "", err
		}
		seen[format] = file
	}
	for other, file := range seen {
		if other != format {
			return "", fmt.Errorf("%s and %s are of two formats; publish them one after the other", file, seen[format])
		}
	}
	return format, nil
}

func (c *publishConfig) guessOf(file string) (string, error) {
	switch ext := strings.ToLower(filepath.Ext(strings.TrimSuffix(file, ".gz"))); {
	case ext == ".csv" || ext == ".tsv" || file == "-" && c.Mapping != "":
		return table, nil
	case ext == ".ndjson" || ext == ".jsonl" || file == "-":
		return ndjson, nil
	case ext == ".edi" || ext == ".x12":
		return "x12-214", nil
	default:
		return "", fmt.Errorf("--format: the name of %q does not tell; say ndjson, csv, %s, or name the --carrier", file, strings.Join(carriers.Formats(), ", "))
	}
}

// open makes ready what reads the files.
func (c *publishConfig) open(tenant events.TenantID) (ingest.Format, error) {
	format, err := c.format()
	if err != nil {
		return nil, err
	}
	switch format {
	case ndjson:
		return ingest.NDJSON{}, nil
	case table:
		return c.openTable(tenant)
	default:
		return c.openForeign(format, tenant)
	}
}

func (c *publishConfig) openTable(tenant events.TenantID) (ingest.Format, error) {
	m, err := ingest.LoadMapping(c.Mapping)
	if err != nil {
		return nil, err
	}
	if tenant == "" && m.Tenant() == "" {
		tenant = defaultTenant
	}
	return ingest.CSV{Mapping: m.WithTenant(tenant)}, nil
}
