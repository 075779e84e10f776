"""The columns of the base product, for a server that does not show its $metadata."""

from __future__ import annotations

from collections.abc import Mapping

from kinetic_mailchimp.epicor import EntityType, Property

_TYPES = {
    "": "Edm.String",
    "int": "Edm.Int32",
    "long": "Edm.Int64",
    "decimal": "Edm.Decimal",
    "bool": "Edm.Boolean",
    "time": "Edm.DateTimeOffset",
    "guid": "Edm.Guid",
}
_SYSTEM = "SysRevID:long SysRowID:guid"
_ADDRESS = "Address1 Address2 Address3 City State Country CountryNum:int PhoneNum FaxNum EMailAddress"
_CHANGED = "ChangedBy ChangeDate:time ChangeTime:int"

_COLUMNS: Mapping[str, str] = {
    "customers": f"""CustNum:int CustID Name {_ADDRESS} Zip CustURL CustomerType GroupCode TerritoryID
        SalesRepCode TermsCode CurrencyCode CreditHold:bool CreditLimit:decimal NoContact:bool Inactive:bool
        EstDate:time {_CHANGED} {_SYSTEM}""",
    "customer_contacts": f"""CustNum:int ShipToNum ConNum:int Name FirstName MiddleName LastName ContactTitle
        Func RoleCode CellPhoneNum {_ADDRESS} Zip CorpName NoContact:bool Inactive:bool PerConID:int
        {_SYSTEM}""",
    "ship_tos": f"CustNum:int ShipToNum Name {_ADDRESS} ZIP TerritoryID ShipViaCode {_CHANGED} {_SYSTEM}",
    "people": f"""PerConID:int Name FirstName MiddleName LastName ContactTitle CellPhoneNum {_ADDRESS} Zip
        {_SYSTEM}""",
    "vendors": f"""VendorNum:int VendorID Name {_ADDRESS} ZIP GroupCode TermsCode CurrencyCode Approved:bool
        Inactive:bool PayHold:bool PurPoint PrimPCon:int TaxPayerID VendURL {_SYSTEM}""",
    "parts": f"""PartNum PartDescription SearchWord TypeCode ClassID ProdCode IUM PUM SalesUM
        UnitPrice:decimal NonStock:bool InActive:bool TrackLots:bool TrackSerialNum:bool NetWeight:decimal
        CommodityCode OnHold:bool RunOut:bool CreatedBy CreatedOn:time ChangedOn:time {_SYSTEM}""",
    "purchase_orders": f"""PONum:int VendorNum:int VendorVendorID VendorName PurPoint OrderDate:time
        DueDate:time PromiseDate:time OpenOrder:bool VoidOrder:bool OrderHeld:bool BuyerID EntryPerson
        CurrencyCode ExchangeRate:decimal Approve:bool ApprovalStatus ApprovedDate:time Confirmed:bool
        TotalOrder:decimal DocTotalOrder:decimal TotalTax:decimal TermsCode ShipViaCode FOB CommentText
        ChangedBy ChangeDate:time {_SYSTEM}""",
    "orders": f"""OrderNum:int CustNum:int PONum ShipToNum OrderDate:time RequestDate:time NeedByDate:time
        OpenOrder:bool VoidOrder:bool OrderHeld:bool EntryPerson SalesRepList TermsCode CurrencyCode
        ExchangeRate:decimal OrderAmt:decimal DocOrderAmt:decimal {_CHANGED} {_SYSTEM}""",
    "invoices": f"""InvoiceNum:int InvoiceType CreditMemo:bool OpenInvoice:bool Posted:bool CustNum:int
        OrderNum:int PONum InvoiceDate:time DueDate:time TermsCode CurrencyCode ExchangeRate:decimal
        InvoiceAmt:decimal DocInvoiceAmt:decimal InvoiceBal:decimal {_CHANGED} {_SYSTEM}""",
    "gl_accounts": f"""COACode GLAccount1 AccountDesc SegValue1 SegValue2 SegValue3 Active:bool
        EffFrom:time EffTo:time MultiCompany:bool StatisticalDesc GLAcctDispGLAcctDisp
        GLAcctDispGLShortAcct {_SYSTEM}""",
}


def fallback_entity(stream: str, key: tuple[str, ...]) -> EntityType | None:
    """The type of a built-in stream's rows; None for other streams."""
    if stream not in _COLUMNS:
        return None
    properties = {}
    for word in ("Company", *_COLUMNS[stream].split()):
        name, _, kind = word.partition(":")
        properties[name] = Property(name, _TYPES[kind])
    return EntityType(stream, key, properties)
