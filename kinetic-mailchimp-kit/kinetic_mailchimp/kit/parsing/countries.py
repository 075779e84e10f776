"""Countries by ISO 3166-1 code and English name: Mailchimp shows either, Epicor's `Country` is a text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_TABLE: Final = """
AD Andorra|AE United Arab Emirates|AF Afghanistan|AG Antigua and Barbuda|AI Anguilla|AL Albania|AM Armenia
AO Angola|AQ Antarctica|AR Argentina|AS American Samoa|AT Austria|AU Australia|AW Aruba|AX Åland Islands
AZ Azerbaijan|BA Bosnia and Herzegovina|BB Barbados|BD Bangladesh|BE Belgium|BF Burkina Faso|BG Bulgaria
BH Bahrain|BI Burundi|BJ Benin|BL Saint Barthélemy|BM Bermuda|BN Brunei|BO Bolivia
BQ Bonaire, Sint Eustatius and Saba|BR Brazil|BS Bahamas|BT Bhutan|BV Bouvet Island|BW Botswana|BY Belarus
BZ Belize|CA Canada|CC Cocos (Keeling) Islands|CD Democratic Republic of the Congo
CF Central African Republic|CG Congo|CH Switzerland|CI Côte d'Ivoire|CK Cook Islands|CL Chile|CM Cameroon
CN China|CO Colombia|CR Costa Rica|CU Cuba|CV Cape Verde|CW Curaçao|CX Christmas Island|CY Cyprus
CZ Czech Republic|DE Germany|DJ Djibouti|DK Denmark|DM Dominica|DO Dominican Republic|DZ Algeria|EC Ecuador
EE Estonia|EG Egypt|EH Western Sahara|ER Eritrea|ES Spain|ET Ethiopia|FI Finland|FJ Fiji|FK Falkland Islands
FM Micronesia|FO Faroe Islands|FR France|GA Gabon|GB United Kingdom|GD Grenada|GE Georgia|GF French Guiana
GG Guernsey|GH Ghana|GI Gibraltar|GL Greenland|GM Gambia|GN Guinea|GP Guadeloupe|GQ Equatorial Guinea
GR Greece|GS South Georgia and the South Sandwich Islands|GT Guatemala|GU Guam|GW Guinea-Bissau|GY Guyana
HK Hong Kong|HM Heard Island and McDonald Islands|HN Honduras|HR Croatia|HT Haiti|HU Hungary|ID Indonesia
IE Ireland|IL Israel|IM Isle of Man|IN India|IO British Indian Ocean Territory|IQ Iraq|IR Iran|IS Iceland
IT Italy|JE Jersey|JM Jamaica|JO Jordan|JP Japan|KE Kenya|KG Kyrgyzstan|KH Cambodia|KI Kiribati|KM Comoros
KN Saint Kitts and Nevis|KP North Korea|KR South Korea|KW Kuwait|KY Cayman Islands|KZ Kazakhstan|LA Laos
LB Lebanon|LC Saint Lucia|LI Liechtenstein|LK Sri Lanka|LR Liberia|LS Lesotho|LT Lithuania|LU Luxembourg
LV Latvia|LY Libya|MA Morocco|MC Monaco|MD Moldova|ME Montenegro|MF Saint Martin|MG Madagascar
MH Marshall Islands|MK North Macedonia|ML Mali|MM Myanmar|MN Mongolia|MO Macao|MP Northern Mariana Islands
MQ Martinique|MR Mauritania|MS Montserrat|MT Malta|MU Mauritius|MV Maldives|MW Malawi|MX Mexico|MY Malaysia
MZ Mozambique|NA Namibia|NC New Caledonia|NE Niger|NF Norfolk Island|NG Nigeria|NI Nicaragua|NL Netherlands
NO Norway|NP Nepal|NR Nauru|NU Niue|NZ New Zealand|OM Oman|PA Panama|PE Peru|PF French Polynesia
PG Papua New Guinea|PH Philippines|PK Pakistan|PL Poland|PM Saint Pierre and Miquelon|PN Pitcairn
PR Puerto Rico|PS Palestine|PT Portugal|PW Palau|PY Paraguay|QA Qatar|RE Réunion|RO Romania|RS Serbia
RU Russia|RW Rwanda|SA Saudi Arabia|SB Solomon Islands|SC Seychelles|SD Sudan|SE Sweden|SG Singapore
SH Saint Helena, Ascension and Tristan da Cunha|SI Slovenia|SJ Svalbard and Jan Mayen|SK Slovakia
SL Sierra Leone|SM San Marino|SN Senegal|SO Somalia|SR Suriname|SS South Sudan|ST Sao Tome and Principe
SV El Salvador|SX Sint Maarten|SY Syria|SZ Eswatini|TC Turks and Caicos Islands|TD Chad
TF French Southern Territories|TG Togo|TH Thailand|TJ Tajikistan|TK Tokelau|TL Timor-Leste|TM Turkmenistan
TN Tunisia|TO Tonga|TR Turkey|TT Trinidad and Tobago|TV Tuvalu|TW Taiwan|TZ Tanzania|UA Ukraine|UG Uganda
UM United States Minor Outlying Islands|US United States|UY Uruguay|UZ Uzbekistan|VA Vatican City
VC Saint Vincent and the Grenadines|VE Venezuela|VG British Virgin Islands|VI U.S. Virgin Islands|VN Vietnam
VU Vanuatu|WF Wallis and Futuna|WS Samoa|XK Kosovo|YE Yemen|YT Mayotte|ZA South Africa|ZM Zambia|ZW Zimbabwe
"""
_OTHER_NAMES: Final = """
US USA|US U.S.A.|US U.S.|US United States of America|GB UK|GB U.K.|GB Great Britain|GB England|GB Scotland
GB Wales|GB Northern Ireland|GB GBR|CA CAN|MX MEX|DE DEU|FR FRA|ES ESP|IT ITA|NL NLD|AT AUT|CH CHE|AU AUS
BE BEL|DK DNK|SE SWE|NO NOR|FI FIN|PL POL|IE IRL|PT PRT|CN CHN|JP JPN|IN IND|BR BRA|NL The Netherlands
NL Holland|CZ Czechia|TR Türkiye|RU Russian Federation|KR Korea, Republic of|KR Republic of Korea
VN Viet Nam|IR Iran, Islamic Republic of|CN People's Republic of China|AE UAE|MD Moldova, Republic of
MK Macedonia|SZ Swaziland|LA Lao People's Democratic Republic|SY Syrian Arab Republic
TZ Tanzania, United Republic of|VE Venezuela, Bolivarian Republic of|CI Ivory Coast
BO Bolivia, Plurinational State of|BN Brunei Darussalam|TW Taiwan, Province of China|CV Cabo Verde
HK Hong Kong SAR China
"""


def _pairs(table: str) -> list[tuple[str, str]]:
    return [(entry[:2], entry[3:]) for line in table.split("\n") for entry in line.split("|") if entry]


_NAMES: Final[Mapping[str, str]] = dict(_pairs(_TABLE))
_CODES: Final[Mapping[str, str]] = {
    **{name.casefold(): code for code, name in (*_pairs(_TABLE), *_pairs(_OTHER_NAMES))},
    **{code.casefold(): code for code in _NAMES},
}


def country_code(text: str) -> str | None:
    """The ISO 3166-1 alpha-2 code of a country, from its code or English name; None where it is not known."""
    return _CODES.get(text.strip().casefold())


def country_name(text: str) -> str:
    """The English name of a country, from its code or name; a text that is not known stays as it is."""
    code = country_code(text)
    return _NAMES[code] if code else text


def same_country(one: str, other: str) -> bool:
    """True if two texts, codes or names, stand for the same country."""
    return (country_code(one) or one.strip().casefold()) == (country_code(other) or other.strip().casefold())
