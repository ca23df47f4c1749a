package scenario

import (
	"math"
	"time"

	"github.com/waybill-io/waybill/events"
)

// region is a part of the world that carriers serve.
type region int

const (
	europe region = iota
	northAmerica
	brazil
	pacific
	regions // how many there are
)

// place is a city with a depot. Offsets are standard time all year, so that
// histories do not depend on a time zone database.
type place struct {
	region   region
	zone     *time.Location
	location events.Location
	hub      string
}

// city describes a place in the table.
type city struct {
	region   region
	name     string
	country  string
	code     string // UN/LOCODE
	lat, lon float64
	minutes  int // east of UTC
}

// cities lists every place, by region.
func cities() []city {
	return []city{
		{europe, "Hamburg", "DE", "DEHAM", 53.55, 9.99, 60},
		{europe, "Berlin", "DE", "DEBER", 52.52, 13.40, 60},
		{europe, "Leipzig", "DE", "DELEJ", 51.34, 12.37, 60},
		{europe, "Frankfurt", "DE", "DEFRA", 50.11, 8.68, 60},
		{europe, "München", "DE", "DEMUC", 48.14, 11.58, 60},
		{europe, "Rotterdam", "NL", "NLRTM", 51.92, 4.48, 60},
		{europe, "Liège", "BE", "BELGG", 50.63, 5.57, 60},
		{europe, "Paris", "FR", "FRPAR", 48.86, 2.35, 60},
		{europe, "Marseille", "FR", "FRMRS", 43.30, 5.37, 60},
		{europe, "London", "GB", "GBLON", 51.51, -0.13, 0},
		{europe, "Manchester", "GB", "GBMNC", 53.48, -2.24, 0},
		{europe, "Milano", "IT", "ITMIL", 45.46, 9.19, 60},
		{europe, "Madrid", "ES", "ESMAD", 40.42, -3.70, 60},
		{europe, "Barcelona", "ES", "ESBCN", 41.39, 2.17, 60},
		{europe, "Warszawa", "PL", "PLWAW", 52.23, 21.01, 60},
		{europe, "Wien", "AT", "ATVIE", 48.21, 16.37, 60},
		{europe, "Helsinki", "FI", "FIHEL", 60.17, 24.94, 120},
		{northAmerica, "New York", "US", "USNYC", 40.71, -74.01, -300},
		{northAmerica, "Chicago", "US", "USCHI", 41.88, -87.63, -360},
		{northAmerica, "Memphis", "US", "USMEM", 35.15, -90.05, -360},
		{northAmerica, "Dallas", "US", "USDAL", 32.78, -96.80, -360},
		{northAmerica, "Denver", "US", "USDEN", 39.74, -104.99, -420},
		{northAmerica, "Los Angeles", "US", "USLAX", 34.05, -118.24, -480},
		{northAmerica, "Seattle", "US", "USSEA", 47.61, -122.33, -480},
		{northAmerica, "Toronto", "CA", "CATOR", 43.65, -79.38, -300},
		{northAmerica, "Vancouver", "CA", "CAVAN", 49.28, -123.12, -480},
		{brazil, "São Paulo", "BR", "BRSAO", -23.55, -46.63, -180},
		{brazil, "Rio de Janeiro", "BR", "BRRIO", -22.91, -43.17, -180},
		{brazil, "Curitiba", "BR", "BRCWB", -25.43, -49.27, -180},
		{brazil, "Recife", "BR", "BRREC", -8.05, -34.88, -180},
		{brazil, "Manaus", "BR", "BRMAO", -3.12, -60.02, -240},
		{pacific, "Singapore", "SG", "SGSIN", 1.35, 103.82, 480},
		{pacific, "Tokyo", "JP", "JPTYO", 35.68, 139.69, 540},
		{pacific, "Osaka", "JP", "JPOSA", 34.69, 135.50, 540},
		{pacific, "Sydney", "AU", "AUSYD", -33.87, 151.21, 600},
		{pacific, "Melbourne", "AU", "AUMEL", -37.81, 144.96, 600},
		{pacific, "Mumbai", "IN", "INBOM", 19.08, 72.88, 330},
	}
}

// atlas is every place by its region.
type atlas [regions][]*place

func newAtlas() *atlas {
	a := &atlas{}
	for _, c := range cities() {
		p := &place{
			region: c.region,
			zone:   time.FixedZone("", c.minutes*60),
			hub:    c.code + "-HUB",
			location: events.Location{
				City: c.name, Country: c.country, UNLOCODE: c.code, Lat: &c.lat, Lon: &c.lon,
			},
		}
		a[c.region] = append(a[c.region], p)
	}
	return a
}

// distance between two places in kilometres, along a great circle.
func distance(a, b *place) float64 {
	const earth, degree = 6371, math.Pi / 180
	lat1, lat2 := *a.location.Lat*degree, *b.location.Lat*degree
	sinLat := math.Sin((lat2 - lat1) / 2)
	sinLon := math.Sin((*b.location.Lon - *a.location.Lon) * degree / 2)
	h := sinLat*sinLat + math.Cos(lat1)*math.Cos(lat2)*sinLon*sinLon
	return 2 * earth * math.Asin(math.Sqrt(h))
}

// carrier is who moves parcels, and how it reports.
type carrier struct {
	named     events.Carrier
	source    events.Source
	services  []string
	precision events.Precision // of its scans; empty for seconds
	tz        events.TZSource  // empty for offset
}

// carriers lists who serves a region.
func carriers() [regions][]*carrier {
	by := func(scac string, precision events.Precision, tz events.TZSource, services ...string) *carrier {
		return &carrier{
			named: events.Carrier{SCAC: events.SCAC(scac)}, source: events.Source("urn:carrier:" + scac),
			services: services, precision: precision, tz: tz,
		}
	}
	dhl := by("DHL", "", "", "paket", "express")
	ups := by("UPSN", "", "", "standard", "express_saver")
	fedex := by("FDEG", "", "", "ground", "home_delivery")
	return [regions][]*carrier{
		europe:       {dhl, ups, by("DPD", "", "", "classic", "predict"), by("GLS", events.ToMinute, "", "business")},
		northAmerica: {ups, fedex, by("USPS", events.ToMinute, events.TZLocation, "priority", "ground_advantage"), by("CPCC", events.ToMinute, events.TZZoneCode, "expedited")},
		brazil:       {by("CORREIOS", events.ToMinute, events.TZLocation, "sedex", "pac"), by("JADLOG", "", "", "package")},
		pacific:      {dhl, by("SAGAWA", "", "", "hikyaku"), by("AUSPOST", events.ToMinute, events.TZLocation, "parcel_post")},
	}
}
