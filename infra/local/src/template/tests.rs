use std::num::NonZeroU32;
use std::time::Duration;

use super::*;
use crate::policy::{Effect, Operator, Pattern, Qualifier, Statement};

const SMALL: &str = r#"
Parameters:
  Stage: { Type: String, Default: dev }
  Rate: { Type: Number, Default: 5 }
  Origins: { Type: CommaDelimitedList, Default: "https://a.example, https://b.example" }
  Needed: { Type: String }
  IpRateLimit: { Type: Number, Default: 100 }
  IpRateWindow: { Type: Number, Default: 60 }
Mappings:
  Limits: { dev: { Timeout: 7 }, prod: { Timeout: 8 } }
Conditions:
  IsDev: !Equals [!Ref Stage, dev]
  IsProd: !Not [!Condition IsDev]
Globals:
  Function:
    Timeout: 30
    Environment: { Variables: { SHARED: !Ref Stage, OVER: under } }
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      CorsConfiguration: { AllowOrigins: !Ref Origins, AllowMethods: ["*"], MaxAge: 600, AllowCredentials: true }
      DefaultRouteSettings: { ThrottlingRateLimit: !Ref Rate, ThrottlingBurstLimit: 9 }
      RouteSettings: { "POST /login": { ThrottlingRateLimit: 1.0, ThrottlingBurstLimit: 2 } }
  One:
    Type: AWS::Serverless::Function
    Properties:
      Role: !GetAtt OneRole.Arn
      Timeout: !FindInMap [Limits, !Ref Stage, Timeout]
      Environment:
        Variables:
          OVER: 3
          GONE: !Ref AWS::NoValue
          TABLE: !Ref Table
          JOINED: !Join ["-", [a, !Ref AWS::Region, !Select [1, !Split [".", "x.y"]]]]
          CHOSEN: !If [IsDev, "yes", "no"]
          LONG: { "Fn::Sub": ["${Who}:${AWS::AccountId}:${!literal}", { Who: !Ref Stage }] }
          SECRET: !Sub "{{resolve:secretsmanager:${Secret}:SecretString}}"
      Events:
        Get: { Type: HttpApi, Properties: { Method: get, Path: "/things/{id}" } }
        Rest: { Type: HttpApi }
        Tick: { Type: Schedule, Properties: { Schedule: rate(1 day) } }
      Tags: !Unsupported whatever
  OneRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: { Effect: Allow, Principal: { Service: lambda.amazonaws.com }, Action: sts:AssumeRole }
      Policies:
        - PolicyName: table
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - Effect: Allow
                Action: dynamodb:GetItem
                Resource: [!GetAtt Table.Arn, !Sub "${Table.Arn}/index/*"]
                Condition:
                  ForAllValues:StringLike: { dynamodb:LeadingKeys: !Sub "A#${!aws:PrincipalTag/account}#*" }
  Extra:
    Type: AWS::IAM::Policy
    Properties:
      Roles: [!Ref OneRole]
      PolicyDocument:
        Version: "2012-10-17"
        Statement: { Effect: Deny, Action: "dynamodb:Scan", Resource: "*" }
  NotHere:
    Type: AWS::Serverless::Function
    Condition: IsProd
    Properties: {}
  Secret: { Type: AWS::SecretsManager::Secret }
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: !Sub "things-${Stage}"
      AttributeDefinitions:
        - { AttributeName: pk, AttributeType: S }
        - { AttributeName: sk, AttributeType: N }
        - { AttributeName: g, AttributeType: S }
      KeySchema: [{ AttributeName: pk, KeyType: HASH }, { AttributeName: sk, KeyType: RANGE }]
      GlobalSecondaryIndexes:
        - IndexName: g
          KeySchema: [{ AttributeName: g, KeyType: HASH }]
          Projection: { ProjectionType: INCLUDE, NonKeyAttributes: [name] }
      TimeToLiveSpecification: { AttributeName: until, Enabled: true }
  Unknown: { Type: Custom::Thing, Properties: { A: !Whatever b } }
"#;

fn parse(text: &str) -> Result<Template, TemplateError> {
    Template::parse("template.yaml", text, &BTreeMap::new())
}

fn small() -> Template {
    parse(SMALL).unwrap()
}

fn problem(from: &str, to: &str) -> String {
    assert!(SMALL.contains(from), "{from}");
    parse(&SMALL.replace(from, to)).unwrap_err().to_string()
}

#[test]
fn a_function_is_read_with_its_globals_and_references() {
    let template = small();
    let one = &template.functions["One"];
    let environment: Vec<_> =
        one.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();

    assert_eq!(one.timeout, Duration::from_secs(7));
    assert_eq!(one.memory, 128);
    assert_eq!(one.role, "OneRole");
    assert_eq!(
        environment,
        [
            ("CHOSEN", "yes"),
            ("JOINED", "a-local-y"),
            ("LONG", "dev:000000000000:${literal}"),
            ("OVER", "3"),
            (
                "SECRET",
                "{{resolve:secretsmanager:arn:aws:secretsmanager:local:000000000000:secret:Secret:SecretString}}"
            ),
            ("SHARED", "dev"),
            ("TABLE", "things-dev"),
        ]
    );
    let mut routes: Vec<_> = one.routes.iter().map(Route::key).collect();
    routes.sort();
    assert_eq!(routes, ["$default", "GET /things/{id}"]);
    assert_eq!(
        template.functions.keys().collect::<Vec<_>>(),
        ["One"],
        "a function whose condition is false does not exist"
    );
}

#[test]
fn the_api_is_read_with_its_cors_and_throttles() {
    let template = small();
    let throttle = |rate, burst| Throttle {
        rate: NonZeroU32::new(rate).unwrap(),
        burst: NonZeroU32::new(burst).unwrap(),
    };
    assert_eq!(
        template.api,
        Api {
            cors: Some(Cors {
                allow_origins: vec!["https://a.example".into(), "https://b.example".into()],
                allow_methods: vec!["*".into()],
                allow_headers: vec![],
                expose_headers: vec![],
                allow_credentials: true,
                max_age: Some(Duration::from_mins(10)),
            }),
            default_throttle: Some(throttle(5, 9)),
            route_throttles: BTreeMap::from([("POST /login".to_owned(), throttle(1, 2))]),
        }
    );
    assert_eq!(
        template.ip_rate_limit,
        Some(IpRateLimit { requests: NonZeroU32::new(100).unwrap(), window: Duration::from_mins(1) })
    );
}

#[test]
fn a_role_holds_its_own_statements_and_those_attached_to_it() {
    let template = small();
    let role = &template.roles["OneRole"];
    let arn = "arn:aws:dynamodb:local:000000000000:table/things-dev";

    assert_eq!(role.arn, "arn:aws:iam::000000000000:role/OneRole");
    assert_eq!(role.trust[0].principals, ["lambda.amazonaws.com"]);
    assert_eq!(role.statements.len(), 2);
    assert_eq!(role.statements[1].effect, Effect::Deny);
    let Statement { resources, conditions, .. } = &role.statements[0];
    assert_eq!(*resources, [Pattern::new(arn), Pattern::new(&format!("{arn}/index/*"))]);
    assert_eq!(conditions[0].operator, Operator::StringLike(Qualifier::ForAllValues));
    assert_eq!(conditions[0].values, [Pattern::new("A#${aws:PrincipalTag/account}#*")]);
}

#[test]
fn the_table_is_read_with_its_indexes() {
    let table = small().table;
    let key = |name: &str, kind, data| KeyAttribute { name: name.to_owned(), kind, data };
    assert_eq!(table.name, "things-dev");
    assert_eq!(
        table.key,
        [key("pk", KeyKind::Partition, KeyType::String), key("sk", KeyKind::Sort, KeyType::Number)]
    );
    assert_eq!(
        table.indexes,
        [Index {
            name: "g".to_owned(),
            key: vec![key("g", KeyKind::Partition, KeyType::String)],
            projection: "INCLUDE".to_owned(),
            included: vec!["name".to_owned()],
        }]
    );
    assert_eq!(table.ttl_attribute.as_deref(), Some("until"));
    assert_eq!(table.stream, None);
}

#[test]
fn a_parameter_can_be_given() {
    let given = BTreeMap::from([("Stage".to_owned(), "prod".to_owned())]);
    let error = Template::parse("t", SMALL, &given).unwrap_err().to_string();
    assert_eq!(error, "t: NotHere: no Role", "the other stage has another function");

    let unknown = BTreeMap::from([("Stgae".to_owned(), "prod".to_owned())]);
    let error = Template::parse("t", SMALL, &unknown).unwrap_err();
    assert_eq!(error.to_string(), "t: no parameter is called Stgae");
}

#[test]
fn what_cannot_be_read_is_named_with_its_place() {
    assert_eq!(problem("      Role: !GetAtt OneRole.Arn\n", ""), "template.yaml: One: no Role");
    assert_eq!(
        problem("!GetAtt OneRole.Arn", "!GetAtt Nobody.Arn"),
        "template.yaml: One: Role: nothing is called Nobody"
    );
    assert_eq!(
        problem("OVER: 3", "OVER: !Ref Needed"),
        "template.yaml: One: Environment: Variables: OVER: parameter Needed has no default"
    );
    assert_eq!(
        problem("!FindInMap [Limits, !Ref Stage, Timeout]", "!Base64 7"),
        "template.yaml: One: Timeout: Fn::Base64 is not supported locally"
    );
    assert_eq!(problem("Timeout: 7", "Timeout: soon"), "template.yaml: One: Timeout is not a whole number");
    assert_eq!(
        problem("Action: dynamodb:GetItem", "NotAction: dynamodb:GetItem"),
        "template.yaml: OneRole: Policies: PolicyDocument: Statement: NotAction is not supported locally"
    );
    assert_eq!(
        problem(
            "      PolicyDocument:\n        Version: \"2012-10-17\"",
            "      PolicyDocument:\n        Version: \"2008-10-17\""
        ),
        "template.yaml: Extra: PolicyDocument: its Version is not 2012-10-17"
    );
    assert_eq!(
        problem("AttributeName: g, KeyType", "AttributeName: h, KeyType"),
        "template.yaml: Table: GlobalSecondaryIndexes: KeySchema: no AttributeDefinition of h"
    );
    assert_eq!(
        problem("ThrottlingBurstLimit: 2", "Other: 2"),
        "template.yaml: Api: RouteSettings: POST /login: a throttle needs both its rate and its burst"
    );
    assert_eq!(
        parse("Resources: {}").unwrap_err().to_string(),
        "template.yaml: one AWS::Serverless::HttpApi is needed, 0 are there"
    );
    assert_eq!(parse("a: [").unwrap_err().place, "template.yaml", "text that is not YAML");
}

#[test]
fn names_that_go_in_circles_are_refused() {
    let error = problem("things-${Stage}", "things-${Table}");
    assert!(error.ends_with("refers to itself"), "{error}");
}

#[test]
fn the_projects_own_template_is_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    let template = Template::read(&path, &BTreeMap::new()).unwrap();

    let routes: Vec<_> =
        template.functions.values().flat_map(|function| function.routes.iter().map(Route::key)).collect();
    for route in ["$default", "GET /health", "POST /api/auth/login"] {
        assert!(routes.iter().any(|key| key == route), "{route}");
    }
    for route in template.api.route_throttles.keys() {
        assert!(routes.contains(route), "{route} is throttled and no route");
    }
    for (id, function) in &template.functions {
        assert!(template.roles.contains_key(&function.role), "{id}");
        assert!(function.environment.contains_key("NEXO_TABLE"), "{id}");
        let seconds = match id.as_str() {
            "FilesFunction" | "SweepFunction" => 900,
            "ImporterFunction" => 300,
            "MailFunction" => 90,
            _ => 30,
        };
        assert_eq!(function.timeout, Duration::from_secs(seconds), "{id}");
    }
    assert_eq!(
        template.functions["ClientsFunction"].environment["NEXO_TENANT_ROLE_ARN"],
        template.roles["TenantRole"].arn
    );
    // Files, and not their thumbnails, which the function itself writes.
    let arrivals = Arrivals { prefix: "a/".into(), retries: 2 };
    assert_eq!(template.functions["FilesFunction"].arrivals, Some(arrivals));
    assert_eq!(template.table.key[0].name, "pk");
    assert_eq!(template.table.indexes.len(), 2);
    assert_eq!(template.table.ttl_attribute.as_deref(), Some("expiresAt"));
    assert!(template.api.cors.is_some());
    assert!(template.ip_rate_limit.is_some());
}
